#!/usr/bin/env python3
"""Tests what the checks of the exercises say: docs/exercises/checks_test.py

A server that makes one typical mistake stands in the place of a student's.
"""

import contextlib
import io
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

import checks

HERE = pathlib.Path(__file__).resolve()


def serve(mistake):
    """A server of the exercises, by threads, with one mistake, or with none."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    listener = socket.create_server(("127.0.0.1", 0))
    clients = {}
    lock = threading.Lock()

    def say(line, stream=sys.stdout):
        print(line, file=stream, flush=True)

    def name_all():
        stream = sys.stdout if mistake == "stdout" else sys.stderr
        while True:
            for address in list(clients):
                say(f"still connected: {address}", stream)
            time.sleep(0.2 if mistake == "often" else 1)

    def receive(client):
        # A client that leaves without having read resets the connection.
        with contextlib.suppress(ConnectionResetError):
            return client.recv(1024)

    def talk(client, address):
        say(f"thread 1      {address}  connected")
        while data := receive(client):
            client.sendall(data)
            with lock:
                for other in clients.values():
                    if other is client:
                        continue
                    flags = 0 if mistake == "blocks" else socket.MSG_DONTWAIT
                    with contextlib.suppress(OSError):
                        other.send(data, flags)
        with lock:
            del clients[address]
        client.close()
        say(f"thread 1      {address}  closed: one exchange")

    if mistake == "ends":
        return
    say("a server listening on 127.0.0.1:%d" % listener.getsockname()[1])
    if mistake in ("none", "stdout", "often"):
        threading.Thread(target=name_all, daemon=True).start()
    while True:
        client, (host, port) = listener.accept()
        with lock:
            clients[f"{host}:{port}"] = client
        arguments = client, f"{host}:{port}"
        threading.Thread(target=talk, args=arguments, daemon=True).start()


def outcome(check, mistake, language="C"):
    """The exit status of a check of a server with this mistake, and what was
    said."""
    with tempfile.TemporaryDirectory() as room:
        server = pathlib.Path(room, "server")
        server.write_text(f'#!/bin/sh\nexec python3 "{HERE}" {mistake}\n')
        server.chmod(0o755)
        said = io.StringIO()
        locale = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": language}
        with (
            unittest.mock.patch.object(checks, "build", lambda _: server),
            unittest.mock.patch.object(checks, "LIMIT", 8),
            unittest.mock.patch.object(sys, "argv", ["", check, "a server"]),
            unittest.mock.patch.dict(os.environ, locale),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            return checks.main(), said.getvalue()


class WhatTheChecksSay(unittest.TestCase):
    def test_a_solution_passes(self):
        self.assertEqual(outcome("visible", "none"), (0, "Solved.\n"))
        self.assertEqual(outcome("chat", "quiet"), (0, "Solved.\n"))

    def test_what_is_said_of_each_mistake(self):
        for check, mistake, language, *parts in (
            (
                "visible", "stdout", "C",
                "came on standard error; on standard output came",
                "still connected: 127.0.0.1:",
            ),
            (
                "visible", "stdout", "es_MX.UTF-8",
                "por la salida de error; por la salida estándar",
            ),
            # Nothing printed is no wrong stream.
            ("visible", "quiet", "C", "came on standard error\n"),
            ("visible", "often", "C", "not once a second"),
            (
                "chat", "blocks", "C",
                "a client that is connected and never reads", "KiB",
            ),
            ("chat", "blocks", "es", "un cliente conectado que nunca lee"),
        ):
            with self.subTest(mistake=mistake, language=language):
                status, said = outcome(check, mistake, language)
                self.assertEqual(status, 1)
                for part in parts:
                    self.assertIn(part, said)

    def test_a_program_that_ends_at_once_is_not_waited_for(self):
        start = time.monotonic()
        status, said = outcome("visible", "ends")
        self.assertEqual(status, 2)
        self.assertIn("it does not start: the program has ended", said)
        self.assertLess(time.monotonic() - start, checks.START)

    def test_the_errors_of_the_compiler_are_shown(self):
        with tempfile.TemporaryDirectory() as room:
            root = pathlib.Path(room)
            (root / "src").mkdir()
            (root / "src/main.rs").write_text("fn main() { missing(); }\n")
            manifest = '[package]\nname = "broken"\nedition = "2024"\n'
            (root / "Cargo.toml").write_text(manifest)
            script = root / "docs/exercises/checks.py"
            script.parent.mkdir(parents=True)
            shutil.copy(checks.__file__, script)
            done = subprocess.run(
                [sys.executable, script, "visible", "broken"],
                env=os.environ
                | {"LC_ALL": "C", "CARGO_TARGET_DIR": room + "/target"},
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
        self.assertEqual(done.returncode, 2)
        for part in "does not build", "error[E0425]", "src/main.rs:1:13":
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        serve(sys.argv[1])
    else:
        unittest.main(warnings="ignore")
