#!/usr/bin/env python3
"""The checks of the exercises: each runs a server as its user would.

    docs/exercises/checks.py visible threads-server
    docs/exercises/checks.py named process-server
    docs/exercises/checks.py chat mux-server

The exit status is 0 if the exercise is solved, 1 if it is not, and 2 if that
could not be found out: the server does not build or does not start.
"""

import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# How long something may take that should happen at once, or each second.
LIMIT = 10

# More than all buffers between a client and a server hold.
FLOOD = 12 * 1024 * 1024


class NotYet(Exception):
    """The exercise is not solved."""


def build(name):
    """Builds a server; returns where it is."""
    output = subprocess.run(
        ["cargo", "build", "--quiet", "-p", name, "--message-format=json"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    messages = map(json.loads, output.splitlines())
    return next(m["executable"] for m in messages if m.get("executable"))


class Lines:
    """The lines of a stream, as they come."""

    def __init__(self, stream):
        self.queue = queue.Queue()
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.queue.put(line.decode().rstrip("\n"))

    def until(self, text, why):
        """The lines up to one that contains the text."""
        end = time.monotonic() + LIMIT
        lines = []
        while True:
            try:
                line = self.queue.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                waited = f"waited {LIMIT} s for “{text}”"
                raise NotYet(f"{why}: {waited}") from None
            lines.append(line)
            if text in line:
                return lines


class Client(socket.socket):
    """A client's socket, which knows its address and who serves it."""

    address = worker = None


class Server:
    """A running server."""

    def __init__(self, name, *options):
        self.process = subprocess.Popen(
            [build(name), "--port=0", "--language=en", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if "ECHO_" not in k},
        )
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)
        try:
            first = self.out.until("listening on", "the first line")[0]
        except NotYet as error:
            raise OSError(error) from None
        self.port = int(first.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def connect(self, small=False):
        """A client, once it is being served, and its address."""
        client = Client()
        client.settimeout(LIMIT)
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        client.address = "{}:{}".format(*client.getsockname())
        line = self.out.until(f"{client.address}  connected", "a client")[-1]
        client.worker = line.split("  ")[0]
        return client

    def stop(self):
        """Ctrl-C must still be an orderly end."""
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise NotYet("Ctrl-C no longer ends the server") from None
        if status != 0:
            raise NotYet(f"Ctrl-C ends the server with {status}")


def hear(client, text, who):
    """A client must now receive this, and nothing else."""
    wanted = f"“{text[:30].decode().strip()}”"
    heard = b""
    while len(heard) < len(text):
        try:
            piece = client.recv(len(text) - len(heard))
        except OSError as error:
            raise NotYet(f"{who} did not hear {wanted}: {error}") from None
        if not piece:
            raise NotYet(f"{who} was closed before it heard {wanted}")
        heard += piece
    if heard != text:
        raise NotYet(f"{who} heard {heard[:30]!r}, not {wanted}")


def echo(client, text=b"hola\n"):
    client.sendall(text)
    hear(client, text, "who speaks")


def visible(name):
    """Each second standard error names every client that is connected."""
    with Server(name) as server:
        silent = server.connect()
        server.err.until(silent.address, "the silent client is invisible")
        other = server.connect()
        start = time.monotonic()
        server.err.until(other.address, "the second one is invisible")
        named = 1
        silent.close()
        server.out.until(f"{silent.address}  closed", "a client left")
        # What was on its way may still name the one who has left.
        rounds = 0
        end = time.monotonic() + LIMIT
        while rounds < 3:
            if time.monotonic() > end:
                raise NotYet("who has left is still named")
            lines = server.err.until(other.address, "who stays is not named")
            gone = any(silent.address in line for line in lines)
            rounds = 0 if gone else rounds + 1
            named += 1
        seconds = time.monotonic() - start
        if named > 2 * seconds + 1:
            raise NotYet(f"named {named} times in {seconds:.1f} s")
        echo(other)
        other.close()
        server.stop()


def named(name):
    """The name of each process, as `ps` shows it, is its client's address."""
    with Server(name) as server:
        clients = [server.connect() for _ in range(2)]
        for client in clients:
            process = client.worker.split()[1]
            comm = pathlib.Path("/proc", process, "comm")
            # The kernel keeps fifteen bytes of a name.
            wanted = client.address[:15]
            end = time.monotonic() + LIMIT
            while (seen := comm.read_text().strip()) != wanted:
                if time.monotonic() > end:
                    raise NotYet(f"process {process} is called “{seen}”")
                time.sleep(0.01)
        own = pathlib.Path("/proc", str(server.process.pid), "comm")
        if (seen := own.read_text().strip()) != name:
            raise NotYet(f"the server itself is now called “{seen}”")
        for client in clients:
            echo(client)
        server.stop()


def chat(name):
    """What one client says, all others hear; and nobody can stop the talk."""
    with Server(name, "--serve=until-eof") as server:
        ana, beto, carla = (server.connect() for _ in range(3))
        for speaker in (ana, beto, carla):
            text = f"I am {speaker.address}\n".encode()
            echo(speaker, text)
            for listener in {ana, beto, carla} - {speaker}:
                hear(listener, text, "a listener")
        # Who leaves sees the end, also if others have come later, and leaves
        # those in peace.
        ana.shutdown(socket.SHUT_WR)
        try:
            if ana.recv(1):
                raise NotYet("who leaves hears something")
        except OSError as error:
            raise NotYet(f"who leaves does not see the end: {error}") from None
        server.out.until(f"{ana.address}  closed", "who left is not gone")
        # Who does not listen must not make the others wait.
        deaf = server.connect(small=True)
        text = b"x" * 1023 + b"\n"
        for _ in range(FLOOD // len(text)):
            echo(beto, text)
            hear(carla, text, "the listener beside one who is deaf")
        deaf.close()
        server.out.until(f"{deaf.address}  closed", "who was deaf is not gone")
        echo(carla)
        hear(beto, b"hola\n", "who spoke before")
        server.stop()


def main():
    checks = {check.__name__: check for check in (visible, named, chat)}
    if len(sys.argv) != 3 or sys.argv[1] not in checks:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        checks[sys.argv[1]](sys.argv[2])
    except NotYet as error:
        print(f"Not solved yet: {error}")
        return 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Cannot be checked: {error}", file=sys.stderr)
        return 2
    print("Solved.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
