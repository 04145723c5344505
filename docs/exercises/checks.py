#!/usr/bin/env python3
"""The checks of the exercises: each runs a server as its user would.

    docs/exercises/checks.py visible threads-server
    docs/exercises/checks.py named process-server
    docs/exercises/checks.py chat mux-server
    docs/exercises/checks.py race threads-server
    docs/exercises/checks.py deadlock threads-server

The exit status is 0 if the exercise is solved, 1 if it is not, and 2 if that
could not be found out: the server, or the program that an exercise begins
with, is not there, does not build or does not start. The words are Spanish where LC_ALL, LC_MESSAGES or LANG ask for it.
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
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# How long an event may take that should happen at once, or each second. A
# caller that knows that it will not happen shortens this limit.
LIMIT = int(os.environ.get("CHECK_LIMIT", 10))

# The same for the programs with a race or a deadlock, which have many clients.
LONG = 2 * LIMIT

# How long a program may take to start.
START = 30

# More bytes than all buffers between a client and a server hold.
FLOOD = 12 * 1024 * 1024

# Lines of each client of the bank, and how many of them in one go.
ROUNDS = 1000


def pick(english, spanish):
    """The text in the language of the locale; an empty variable is as none."""
    names = "LC_ALL", "LC_MESSAGES", "LANG"
    locale = next(filter(None, map(os.environ.get, names)), "C")
    is_spanish = locale.replace(".", "_").split("_")[0] == "es"
    return spanish if is_spanish else english


class Said(Exception):
    """What is said: in both languages, or in the one that was picked."""

    def __init__(self, english, spanish=None):
        super().__init__(pick(english, spanish or english))


class NotYet(Said):
    """The exercise is not solved."""


class CannotCheck(Said):
    """Whether it is solved cannot be found out."""


def build(name, *what):
    """Builds a server, or another program of its package; returns where it
    is. Cargo shows the compiler's errors and warnings on standard error, as
    it does without a check."""
    command = ["cargo", "build", "--quiet", "-p", name, *what]
    done = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    if done.returncode != 0:
        raise CannotCheck(
            f"{name} does not build; see the compiler's errors above",
            f"{name} no compila; vea arriba los errores del compilador",
        )
    messages = map(json.loads, done.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable"))


class Lines:
    """The lines of a stream, as they come; at its end None."""

    def __init__(self, stream, name):
        self.queue = queue.Queue()
        self.name = name
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.queue.put(line.decode(errors="replace").rstrip("\n"))
        self.queue.put(None)

    def so_far(self):
        """The lines that have come and that no check has read yet."""
        lines = []
        while not self.queue.empty():
            lines.append(self.queue.get_nowait())
        if None in lines:
            self.queue.put(lines.pop())
        return lines

    def until(self, text, why, elsewhere=None, limit=None):
        """The lines up to one that contains the text. Where it comes on the
        other stream instead, that is the mistake, and it is named."""
        limit = limit or LIMIT
        end = time.monotonic() + limit
        lines = []
        while True:
            try:
                line = self.queue.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                said = self.missed(text, why, lines, elsewhere, limit)
                raise NotYet(said) from None
            if line is None:
                self.queue.put(None)
                raise NotYet(
                    f"{why}: the program has ended",
                    f"{why}: el programa terminó",
                )
            lines.append(line)
            if text in line:
                return lines

    def missed(self, text, why, lines, elsewhere, limit):
        """What to say of a line that has not come."""
        said = pick(
            f"{why}: in {limit} s no line with “{text}” came on "
            f"{self.name}",
            f"{why}: en {limit} s no llegó una línea con «{text}» por "
            f"{self.name}",
        )
        other = elsewhere.so_far() if elsewhere else []
        strayed = [line for line in other if text in line]
        # Each client has this line in any case: it is not the one of the
        # exercise.
        strayed = [line for line in strayed if not event(line)]
        if strayed:
            said += pick(
                f"; on {elsewhere.name} came “{strayed[-1]}”",
                f"; por {elsewhere.name} llegó «{strayed[-1]}»",
            )
        elif lines:
            said += pick(
                f"; the last line was “{lines[-1]}”",
                f"; la última línea fue «{lines[-1]}»",
            )
        return said


def event(line):
    """Whether the server prints such a line by itself: who serves, the
    client's address, what has happened."""
    columns = [column for column in line.split("  ") if column.strip()]
    return len(columns) == 3


class Client(socket.socket):
    """A client's socket, which knows its address and who serves it."""

    address = worker = None


class Program:
    """A running program that prints where it listens."""

    def __init__(self, *command, stderr=None):
        kept = {k: v for k, v in os.environ.items() if "ECHO_" not in k}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=kept | {"ECHO_PORT": "0"},
        )
        self.out = Lines(
            self.process.stdout, pick("standard output", "la salida estándar")
        )
        self.err = stderr and Lines(
            self.process.stderr, pick("standard error", "la salida de error")
        )
        try:
            why = pick("it does not start", "no arranca")
            lines = self.out.until("listening on", why, self.err, START)
        except NotYet as error:
            self.process.kill()
            raise CannotCheck(error) from None
        self.port = int(lines[-1].rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Server(Program):
    """A running server."""

    def __init__(self, name, *options):
        command = [build(name), "--language=en", *options]
        super().__init__(*command, stderr=subprocess.PIPE)

    def connect(self, small=False):
        """A client, once it is being served, and its address."""
        client = Client()
        client.settimeout(LIMIT)
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        client.address = "{}:{}".format(*client.getsockname())
        line = self.out.until(
            f"{client.address}  connected",
            pick("a client is not served", "un cliente no es atendido"),
        )[-1]
        client.worker = line.split("  ")[0]
        return client

    def closed(self, client, who):
        """The server must see that a client has left. With its one reply
        given it may say who closed: `closed: one exchange`."""
        self.out.until(
            f"{client.address}  closed",
            pick(f"{who} has left", f"{who} se fue"),
        )

    def stop(self):
        """Ctrl-C must still be an orderly end."""
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise NotYet(
                "Ctrl-C no longer ends the server",
                "Ctrl-C ya no termina el servidor",
            ) from None
        if status != 0:
            raise NotYet(
                f"Ctrl-C ends the server with status {status}, not 0",
                f"Ctrl-C termina el servidor con estado {status}, no 0",
            )


def hear(client, text, who, why=""):
    """A client must now receive this, and nothing else."""
    wanted = f"“{text[:30].decode().strip()}”"
    heard = b""
    try:
        while len(heard) < len(text):
            piece = client.recv(len(text) - len(heard))
            if not piece:
                break
            heard += piece
    except TimeoutError:
        english = f"has not received {wanted} in {LIMIT} s"
        spanish = f"no recibió {wanted} en {LIMIT} s"
    except OSError as error:
        english = f"has not received {wanted}: {error}"
        spanish = f"no recibió {wanted}: {error}"
    else:
        if heard == text:
            return
        if len(heard) < len(text):
            english = f"was closed before it received {wanted}"
            spanish = f"fue cerrado antes de recibir {wanted}"
        else:
            english = f"received {heard[:30]!r}, not {wanted}"
            spanish = f"recibió {heard[:30]!r}, no {wanted}"
    raise NotYet(f"{who} {english}{why}", f"{who} {spanish}{why}")


def echo(client, text=b"hola\n", why=""):
    """A client sends, and must receive the same."""
    who = pick("the client that speaks", "el cliente que habla")
    try:
        client.sendall(text)
    except OSError as error:
        raise NotYet(
            f"{who} cannot send for {LIMIT} s: {error}{why}",
            f"{who} no puede enviar durante {LIMIT} s: {error}{why}",
        ) from None
    hear(client, text, who, why)


def visible(name):
    """Each second standard error names every client that is connected."""
    with Server(name) as server:
        silent = server.connect()
        why = pick(
            "the silent client is not named", "el cliente callado no aparece"
        )
        server.err.until(silent.address, why, server.out)
        other = server.connect()
        start = time.monotonic()
        why = pick(
            "the second client is not named", "el segundo cliente no aparece"
        )
        server.err.until(other.address, why, server.out)
        named = 1
        silent.close()
        server.closed(silent, pick("the silent client", "el cliente callado"))
        # A line that was on its way may still name the client that has left.
        rounds = 0
        end = time.monotonic() + LIMIT
        why = pick(
            "the client that stays is no longer named",
            "el cliente que se queda ya no aparece",
        )
        while rounds < 3:
            if time.monotonic() > end:
                raise NotYet(
                    "a client that has left is still named",
                    "un cliente que se fue aún aparece",
                )
            lines = server.err.until(other.address, why, server.out)
            gone = any(silent.address in line for line in lines)
            rounds = 0 if gone else rounds + 1
            named += 1
        seconds = time.monotonic() - start
        if named > 2 * seconds + 1:
            raise NotYet(
                f"one client was named {named} times in {seconds:.1f} s, "
                "not once a second",
                f"un cliente apareció {named} veces en {seconds:.1f} s, "
                "no una vez por segundo",
            )
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
            # The kernel keeps only fifteen bytes of a process's name.
            wanted = client.address[:15]
            end = time.monotonic() + LIMIT
            while (seen := comm.read_text().strip()) != wanted:
                if time.monotonic() > end:
                    raise NotYet(
                        f"process {process} is called “{seen}”, not "
                        f"“{wanted}”",
                        f"el proceso {process} se llama «{seen}», no "
                        f"«{wanted}»",
                    )
                time.sleep(0.01)
        own = pathlib.Path("/proc", str(server.process.pid), "comm")
        if (seen := own.read_text().strip()) != name:
            raise NotYet(
                f"the server itself is now called “{seen}”",
                f"el servidor mismo se llama ahora «{seen}»",
            )
        for client in clients:
            echo(client)
        server.stop()


def chat(name):
    """All other clients receive what one client says; none can stop that."""
    with Server(name, "--serve=until-eof") as server:
        ana, beto, carla = (server.connect() for _ in range(3))
        for speaker in (ana, beto, carla):
            text = f"I am {speaker.address}\n".encode()
            echo(speaker, text)
            for listener in {ana, beto, carla} - {speaker}:
                hear(listener, text, pick("another client", "otro cliente"))
        # A client that leaves sees the end of file, also if others have come
        # later, and does not disturb those.
        ana.shutdown(socket.SHUT_WR)
        try:
            if ana.recv(1):
                raise NotYet(
                    "a client that leaves still receives something",
                    "un cliente que se va aún recibe algo",
                )
        except OSError as error:
            raise NotYet(
                "a client that leaves does not receive the end of file: "
                f"{error}",
                "un cliente que se va no recibe el fin de archivo: "
                f"{error}",
            ) from None
        server.closed(ana, pick("the client that leaves", "el que se va"))
        # A client that does not read must not make the others wait.
        unread = server.connect(small=True)
        text = b"x" * 1023 + b"\n"
        for number in range(FLOOD // len(text)):
            why = pick(
                f", after {number + 1} KiB: a client that is connected and "
                "never reads stops the others",
                f", después de {number + 1} KiB: un cliente conectado que "
                "nunca lee detiene a los demás",
            )
            echo(beto, text, why)
            hear(carla, text, pick("another client", "otro cliente"), why)
        unread.close()
        server.closed(
            unread, pick("the client that never reads", "el que nunca lee")
        )
        echo(carla)
        hear(beto, b"hola\n", pick("another client", "otro cliente"))
        server.stop()


class Example(Program):
    """An example of a package that runs, and serves clients."""

    def __init__(self, package, name, folder):
        if not (ROOT / package / "examples" / f"{name}.rs").exists():
            start = f"git apply docs/exercises/{folder}/start.patch"
            raise CannotCheck(f"first: {start}", f"primero: {start}")
        super().__init__(build(package, "--example", name))

    def connect(self):
        """A client, and its lines."""
        client = socket.create_connection(("127.0.0.1", self.port), LONG)
        return client, client.makefile("rb")


def line_of(lines, why):
    """The next line, which must come in time."""
    try:
        line = lines.readline().decode()
    except OSError:
        raise NotYet(why) from None
    if not line.endswith("\n"):
        raise NotYet(why)
    return line


def race(package):
    """No two clients get the same number, and none waits for another."""
    with Example(package, "tickets", "07-race") as program:
        silent = pick(
            "a client that says no name makes the others wait",
            "un cliente que no dice su nombre hace esperar a los demás",
        )
        clients = [program.connect() for _ in range(30)]
        numbers = []
        for _, lines in clients:
            words = line_of(lines, silent).split()
            numbers.append(int(words[1].rstrip(".")))
        twice = {n for n in numbers if numbers.count(n) > 1}
        if twice:
            raise NotYet(
                f"30 clients are connected, and {numbers.count(min(twice))}"
                f" of them have number {min(twice)}",
                f"hay 30 clientes conectados, y {numbers.count(min(twice))}"
                f" de ellos tienen el número {min(twice)}",
            )
        # A client that names itself late keeps its number, and all numbers
        # together have no gap, also when many clients come at the same time.
        for (client, lines), number in reversed(list(zip(clients, numbers))):
            client.sendall(b"Ana\n")
            said = line_of(lines, silent)
            if said != f"Welcome, Ana, number {number}.\n":
                raise NotYet(said.strip())
        with ThreadPoolExecutor(8) as pool:
            for more in pool.map(come_often, [program] * 8):
                numbers += more
        if sorted(numbers) != list(range(1, 30 + 8 * 100 + 1)):
            raise NotYet(
                "830 clients did not get the numbers 1 to 830",
                "830 clientes no recibieron los números de 1 a 830",
            )


def come_often(program):
    """Connects a hundred times, one time after the other; the numbers."""
    numbers = []
    for _ in range(100):
        try:
            client, lines = program.connect()
            with client, lines:
                words = lines.readline().split()
                numbers.append(int(words[1].rstrip(b".")))
        # The missing number is reported, not this connection.
        except (OSError, IndexError, ValueError):
            break
    return numbers


def deadlock(package):
    """Transfers in all directions end, and no money is lost."""
    with Example(package, "accounts", "08-deadlock") as program:
        orders = [b"0 1 1\n", b"1 0 1\n", b"1 2 1\n", b"2 1 1\n"]
        with ThreadPoolExecutor(len(orders)) as pool:
            programs = [program] * len(orders)
            answered = sum(pool.map(order_often, programs, orders))
        if answered != ROUNDS * len(orders):
            raise NotYet(
                f"four clients send {ROUNDS} orders each; for {LONG} s "
                f"none is answered, after {answered} of them",
                f"cuatro clientes envían {ROUNDS} órdenes cada uno; "
                f"durante {LONG} s ninguna recibe respuesta, "
                f"después de {answered}",
            )
        client, lines = program.connect()
        with client, lines:
            client.sendall(b"2 2 5\n")
            same = pick(
                "an order from an account to itself is not answered",
                "una orden de una cuenta a sí misma no recibe respuesta",
            )
            must_have(line_of(lines, same), [1000, 1000, 1000])
            client.sendall(b"0 2 300\n")
            must_have(line_of(lines, same), [700, 1000, 1300])


def order_often(program, order):
    """Sends an order again and again; how many replies have come."""
    answered = 0
    try:
        client, lines = program.connect()
        with client, lines:
            for _ in range(ROUNDS // 100):
                client.sendall(order * 100)
                for _ in range(100):
                    if not lines.readline():
                        return answered
                    answered += 1
    except OSError:
        pass
    return answered


def must_have(line, wanted):
    """Compares what is in the accounts."""
    if [int(word) for word in line.split()] != wanted:
        raise NotYet(
            f"the accounts have {line.strip()}, not {wanted}",
            f"las cuentas tienen {line.strip()}, no {wanted}",
        )


def main():
    checks = {c.__name__: c for c in (visible, named, chat, race, deadlock)}
    if len(sys.argv) != 3 or sys.argv[1] not in checks:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        checks[sys.argv[1]](sys.argv[2])
    except NotYet as error:
        said = pick("Not solved yet: ", "Aún no está resuelto: ")
        print(said + str(error))
        return 1
    except (CannotCheck, OSError) as error:
        said = pick("Cannot be checked: ", "No se puede comprobar: ")
        print(said + str(error), file=sys.stderr)
        return 2
    print(pick("Solved.", "Resuelto."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
