#!/usr/bin/env python3
"""The checks of the exercises on race and deadlock.

    docs/exercises/dangers.py race threads-server
    docs/exercises/dangers.py deadlock threads-server

Each runs a program of the exercise as its clients would. The exit status is 0
if the exercise is solved, 1 if it is not, and 2 if that could not be found
out: the program is not there, does not build or does not start.
"""

import socket
import sys
import threading

import checks
from checks import ROOT, CannotCheck, NotYet, Program, build, main, pick

# How long an event may take that should happen at once.
LIMIT = 2 * checks.LIMIT

# Lines of each client of the bank, and how many of them in one go.
ROUNDS = 1000


class Example(Program):
    """An example of a package that runs, and serves clients."""

    def __init__(self, package, name, folder):
        if not (ROOT / package / "examples" / f"{name}.rs").exists():
            start = f"git apply docs/exercises/{folder}/start.patch"
            raise CannotCheck(f"first: {start}", f"primero: {start}")
        super().__init__(build(package, "--example", name))

    def connect(self):
        """A client, and its lines."""
        client = socket.create_connection(("127.0.0.1", self.port), LIMIT)
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
        workers = [
            threading.Thread(target=come_often, args=(program, numbers))
            for _ in range(8)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if sorted(numbers) != list(range(1, 30 + 8 * 100 + 1)):
            raise NotYet(
                "830 clients did not get the numbers 1 to 830",
                "830 clientes no recibieron los números de 1 a 830",
            )


def come_often(program, numbers):
    """Connects a hundred times, one time after the other."""
    for _ in range(100):
        try:
            client, lines = program.connect()
            with client, lines:
                words = lines.readline().split()
                numbers.append(int(words[1].rstrip(b".")))
        # The missing number is reported, not this connection.
        except (OSError, IndexError, ValueError):
            return


def deadlock(package):
    """Transfers in all directions end, and no money is lost."""
    with Example(package, "accounts", "08-deadlock") as program:
        orders = [b"0 1 1\n", b"1 0 1\n", b"1 2 1\n", b"2 1 1\n"]
        answered = [0] * len(orders)
        threads = [
            threading.Thread(
                target=order_often, args=(program, order, answered, place)
            )
            for place, order in enumerate(orders)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if answered != [ROUNDS] * len(orders):
            raise NotYet(
                f"four clients send {ROUNDS} orders each; for {LIMIT} s "
                f"none is answered, after {sum(answered)} of them",
                f"cuatro clientes envían {ROUNDS} órdenes cada uno; "
                f"durante {LIMIT} s ninguna recibe respuesta, "
                f"después de {sum(answered)}",
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


def must_have(line, wanted):
    """Compares what is in the accounts."""
    if [int(word) for word in line.split()] != wanted:
        raise NotYet(
            f"the accounts have {line.strip()}, not {wanted}",
            f"las cuentas tienen {line.strip()}, no {wanted}",
        )


def order_often(program, order, answered, place):
    """Sends an order again and again, and counts the replies."""
    try:
        client, lines = program.connect()
        with client, lines:
            for _ in range(ROUNDS // 100):
                client.sendall(order * 100)
                for _ in range(100):
                    if not lines.readline():
                        return
                    answered[place] += 1
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main((race, deadlock), __doc__))
