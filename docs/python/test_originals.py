#!/usr/bin/env python3
"""The three programs, run as a user runs them: docs/python/test_originals.py

Each has real clients on 127.0.0.1. No test sleeps and hopes: every step waits
for an event (a line printed, bytes received, the end of a process), and fails
after LIMIT.
"""

import os
import pathlib
import queue
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent

# Seconds. The limit is generous: a test that passes never waits for so long.
LIMIT = 30

# What the originals sent, byte for byte.
GREETING = b"HTTP/1.1 200 OK\n\nHola, cliente!"

UNTIL_EOF = "--reply", "echo", "--serve", "until-eof"
QUIET_END = 0, ""


class Server:
    """A program that runs. The program and its children are a process group
    of their own, which is killed when the test is over, however it ends."""

    def __init__(self, program, *options, port=0):
        self.program = program
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, HERE / program, "--port", str(port), *options],
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            encoding="utf-8",
            start_new_session=True,
        )
        self.pid = self.process.pid
        # Lines that have come, and those that no test has expected yet.
        self.lines = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        """Hands over each line as it comes, and None at the end."""
        for line in self.process.stdout:
            self.lines.put(line.removesuffix("\n"))
        self.lines.put(None)

    def next_line(self, wanted, deadline):
        """The next line; a failure where none comes in time."""
        try:
            line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            line = None
        if line is None:
            raise AssertionError(
                f"{wanted!r} is not in {self.seen}: {self.kill()}"
            )
        return line

    def listens(self):
        """Waits for the first line, which bears the port."""
        begin = f"{self.program} listening on 127.0.0.1:"
        line = self.next_line(begin, time.monotonic() + LIMIT)
        if not line.startswith(begin):
            raise AssertionError(f"not a first line: {line}")
        self.port = int(line.removeprefix(begin))
        return self

    def expect(self, line):
        """Waits until this line is printed, whatever is printed before: the
        lines of several clients come in any order."""
        deadline = time.monotonic() + LIMIT
        while line not in self.seen:
            self.seen.append(self.next_line(line, deadline))
        self.seen.remove(line)

    def wait_for_state(self, letter):
        """Waits until the main thread sleeps (S) or is stopped (T)."""
        wait_until(f"state {letter}", lambda: state(self.pid) == letter)

    def send_group(self, number):
        os.killpg(self.pid, number)

    def stop(self, number=signal.SIGTERM):
        """Sends a signal to the program alone; what `end` says."""
        # Asleep in `accept` or `select`: an interpreter that is just about to
        # call it would see the signal only when the next client comes.
        self.wait_for_state("S")
        os.kill(self.pid, number)
        return self.end()

    def end(self):
        """Waits for the end of the program, which must be the last of its
        group: its exit status, and its standard error."""
        status = self.process.wait(LIMIT)
        # Signal 0 is not sent: the call only says whether the group is there.
        try:
            self.send_group(0)
        except ProcessLookupError:
            return status, self.kill()
        raise AssertionError(f"a child is left: {self.kill()}")

    def kill(self):
        """Kills what still runs of the group; what is on standard error."""
        if self.errors.closed:
            return ""
        try:
            self.send_group(signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.reader.join(LIMIT)
        self.process.stdout.close()
        with self.errors:
            self.errors.seek(0)
            return self.errors.read()

    def rest(self):
        """The lines that were not expected, once the program has ended."""
        while (line := self.lines.get(timeout=LIMIT)) is not None:
            self.seen.append(line)
        return self.seen


class Client(socket.socket):
    """A client's socket."""

    def __init__(self, server):
        super().__init__()
        self.settimeout(LIMIT)
        self.connect(("127.0.0.1", server.port))
        self.name = "{}:{}".format(*self.getsockname())

    def receive(self, length):
        """So many bytes; fewer where the server closes before."""
        reply = b""
        while len(reply) < length:
            piece = self.recv(length - len(reply))
            if not piece:
                break
            reply += piece
        return reply

    def receive_all(self):
        """All bytes until the server closes."""
        return self.receive(sys.maxsize >> 32)

    def half_close(self):
        self.shutdown(socket.SHUT_WR)

    def reset(self):
        """With a linger time of 0, closing discards everything and sends a
        reset."""
        linger = struct.pack("ii", 1, 0)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()


def state(pid):
    """The state letter of proc(5), none when there is no such process. It
    follows the name of the program, which may itself contain anything."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rsplit(") ", 1)[1][0]


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def wait_until(what, is_so):
    """For what can only be asked for, not waited for."""
    deadline = time.monotonic() + LIMIT
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.002)


class Case(unittest.TestCase):
    """A test of one of the programs."""

    program = None

    def spawn(self, *options, port=0):
        server = Server(self.program, *options, port=port)
        self.addCleanup(server.kill)
        return server

    def start(self, *options, port=0):
        return self.spawn(*options, port=port).listens()

    def connect(self, server):
        client = Client(server)
        self.addCleanup(client.close)
        return client

    def echo(self, client, message):
        client.sendall(message)
        self.assertEqual(client.receive(len(message)), message)

    def stop_quietly(self, server):
        self.assertEqual(server.stop(), QUIET_END)

    def resets(self, server):
        """Three clients that reset: one that is being waited for, one that was
        never received from, and one whose message is there but not its
        author."""
        waited_for = self.connect(server)
        server.expect(f"{waited_for.name} connected")
        waited_for.reset()
        # Stopped, so that the server finds connection, message and reset at
        # once.
        server.send_group(signal.SIGSTOP)
        server.wait_for_state("T")
        unheard = self.connect(server)
        unheard.reset()
        gone = self.connect(server)
        gone.sendall(b"gone before the reply")
        gone.reset()
        server.send_group(signal.SIGCONT)
        for client in unheard, gone:
            server.expect(f"{client.name} connected")
        return waited_for.name, unheard.name, gone.name

    def stops(self, stop):
        """A stop with a silent client: status 0, no traceback, and no process
        left behind."""
        server = self.start()
        silent = self.connect(server)
        server.expect(f"{silent.name} connected")
        self.assertEqual(stop(server), QUIET_END)
        # A process that is left would still hold the connection.
        self.assertEqual(silent.receive_all(), b"")


class Every:
    """What all three programs do."""

    # The options.

    def test_echoes_every_byte(self):
        server = self.start(*UNTIL_EOF)
        client = self.connect(server)
        # No UTF-8, and longer than one `recv` of the server.
        message = (bytes(range(256)) * 20)[:5000]
        client.sendall(message)
        client.half_close()
        self.assertEqual(client.receive_all(), message)
        self.stop_quietly(server)

    def test_serves_once(self):
        server = self.start("--reply", "echo", "--serve", "once")
        for message in b"first", b"second":
            client = self.connect(server)
            client.sendall(message)
            self.assertEqual(client.receive_all(), message)
        self.stop_quietly(server)

    def test_serves_until_the_end_of_file(self):
        server = self.start(*UNTIL_EOF)
        client = self.connect(server)
        for message in b"first", b"second", b"third":
            self.echo(client, message)
        client.half_close()
        self.assertEqual(client.receive_all(), b"")
        self.stop_quietly(server)

    def test_quiet_prints_only_the_first_line(self):
        server = self.start("--quiet")
        client = self.connect(server)
        client.sendall(b"psst")
        client.half_close()
        self.assertEqual(client.receive_all(), GREETING)
        status, errors = server.stop()
        self.assertEqual(status, 0, errors)
        self.assertEqual(server.rest(), [])

    def test_burns_the_cpu_work_before_the_reply(self):
        server = self.start("--cpu-work", "30000")
        client = self.connect(server)
        start = time.monotonic()
        client.sendall(b"x")
        self.assertEqual(client.receive(len(GREETING)), GREETING)
        # CPU time never runs faster than the clock.
        self.assertGreaterEqual(time.monotonic() - start, 0.03)
        self.stop_quietly(server)

    # Concurrency, and the faults of clients.

    def test_a_silent_client_delays_no_other(self):
        server = self.start(*UNTIL_EOF)
        silent = self.connect(server)
        server.expect(f"{silent.name} connected")
        one, other = self.connect(server), self.connect(server)
        # In turns: neither has to end before the next is served.
        for _ in range(2):
            self.echo(one, b"one")
            self.echo(other, b"other")
        self.echo(silent, b"at last")
        self.stop_quietly(server)

    def test_a_reset_hurts_one_client_alone(self):
        server = self.start(*UNTIL_EOF)
        witness = self.connect(server)
        self.echo(witness, b"before")
        self.resets(server)
        self.echo(witness, b"after")
        self.echo(self.connect(server), b"a new one")
        status, errors = server.stop()
        self.assertEqual(status, 0, errors)

    # The end.

    def test_stops_at_sigterm(self):
        self.stops(lambda server: server.stop(signal.SIGTERM))

    def test_stops_at_sigint(self):
        self.stops(lambda server: server.stop(signal.SIGINT))

    def test_stops_at_ctrl_c(self):
        def press(server):
            """Ctrl-C reaches the whole process group, children too."""
            server.wait_for_state("S")
            server.send_group(signal.SIGINT)
            return server.end()

        self.stops(press)

    def test_can_be_restarted_on_its_port(self):
        server = self.start("--serve", "once")
        client = self.connect(server)
        client.sendall(b"x")
        # The server closes first, so its side is the one that waits in
        # TIME_WAIT.
        self.assertEqual(client.receive_all(), GREETING)
        client.close()
        self.stop_quietly(server)
        self.stop_quietly(self.start(port=server.port))

    def test_a_taken_port_is_one_line_and_status_1(self):
        taken = self.start()
        second = self.spawn(port=taken.port)
        status, errors = second.end()
        self.assertEqual(status, 1, errors)
        self.assertEqual(second.rest(), [])
        self.assertEqual(len(errors.splitlines()), 1, errors)
        self.assertIn(f"127.0.0.1:{taken.port}", errors)


class GreetsOnce:
    """What the originals with a flow for each client do."""

    def test_greets_once_by_default(self):
        server = self.start()
        client = self.connect(server)
        client.sendall("¡hola\n\x1b[2J".encode())
        # The end of file comes although the client has not sent its own.
        self.assertEqual(client.receive_all(), GREETING)
        server.expect(f"{client.name} connected")
        # The text is readable, with no bytes that a terminal would obey.
        server.expect(rf"{client.name} received '¡hola\n\x1b[2J'")
        self.stop_quietly(server)

    def test_greets_a_client_that_sends_nothing(self):
        server = self.start()
        client = self.connect(server)
        client.half_close()
        self.assertEqual(client.receive_all(), GREETING)
        server.expect(f"{client.name} received ''")
        self.stop_quietly(server)


class Threads(Every, GreetsOnce, Case):
    program = "threads_server.py"


class Processes(Every, GreetsOnce, Case):
    program = "process_server.py"

    def test_reaps_its_children(self):
        server = self.start("--reply", "echo")
        for _ in range(5):
            self.echo(self.connect(server), b"a client")
            # All have ended now; but zombies may be among them.
            wait_until(
                "the children to end",
                lambda: all(
                    state(child) == "Z" for child in children(server.pid)
                ),
            )
            # Each new client has the former children reaped.
            self.assertLessEqual(len(children(server.pid)), 1)
        self.stop_quietly(server)


class Mux(Every, Case):
    program = "mux_server.py"

    def test_greets_until_the_end_of_file_by_default(self):
        server = self.start()
        client = self.connect(server)
        server.expect(f"{client.name} connected")
        for message in "¡hola\n", "otra vez":
            client.sendall(message.encode())
            self.assertEqual(client.receive(len(GREETING)), GREETING)
            shown = message.replace("\n", r"\n")
            server.expect(f"{client.name} received '{shown}'")
        client.half_close()
        # No greeting for the end of file.
        self.assertEqual(client.receive_all(), b"")
        server.expect(f"{client.name} disconnected")
        self.stop_quietly(server)

    def test_a_reset_is_a_disconnection(self):
        server = self.start()
        for name in self.resets(server):
            server.expect(f"{name} disconnected")
        self.stop_quietly(server)


class Gil(unittest.TestCase):
    """The chapter on what threads can do to each other."""

    def test_with_the_gil_threads_use_one_core(self):
        """With the GIL no two threads compute at the same time, however free
        the machine is. What is called free-threaded is asked, not believed:
        here it is the plain Python under another name."""
        with tempfile.TemporaryDirectory() as folder:
            python = pathlib.Path(folder, "python3.13t")
            python.write_text('#!/bin/sh\nexec python3 "$@"\n')
            python.chmod(0o755)
            done = subprocess.run(
                [sys.executable, HERE / "gil.py"],
                env=os.environ
                | {
                    "PATH": f"{folder}:{os.environ['PATH']}",
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdout=subprocess.PIPE,
                encoding="utf-8",
                check=True,
            )
        runs = 0
        has_gil = False
        names = []
        for line in done.stdout.splitlines():
            words = line.split()
            if words[0] == "Python" and words[3:] == ["the", "GIL"]:
                has_gil = words[2] == "with"
                runs += 1
                continue
            count, kind, _, unit, cores, last = words
            self.assertEqual((unit, last), ("s", "cores"), line)
            most = 1.1 if has_gil and kind == "threads" else 2.1
            self.assertLessEqual(float(cores), most, line)
            names.append(f"{count} {kind}")
        # There are at least two runs: other Pythons may be installed as well.
        self.assertGreaterEqual(runs, 2, done.stdout)
        wanted = ["1 thread", "2 threads", "2 processes"]
        self.assertEqual(names, wanted * runs, done.stdout)


if __name__ == "__main__":
    unittest.main()
