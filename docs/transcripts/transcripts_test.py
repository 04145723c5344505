#!/usr/bin/env python3
"""Tests what a session shows, whatever chance does:
docs/transcripts/transcripts_test.py
"""

import itertools
import unittest

import transcripts


def server(clone):
    """A server that accepts a client, and creates what serves it."""
    return [
        "accept4(3, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 6",
        f"{clone} = 22",
        "[pid    21] accept4(3, 0x7f, [128], SOCK_CLOEXEC) = -1 EAGAIN",
    ]


def interleaved(these, those):
    """Every order of both that keeps the order of each."""
    both = len(these) + len(those)
    for places in itertools.combinations(range(both), len(those)):
        rests = iter(these), iter(those)
        yield [next(rests[place in places]) for place in range(both)]


class Traced(unittest.TestCase):
    """What strace shows of two processes."""

    def shows_the_same(self, clone, client):
        for lines in interleaved(server(clone), client):
            with self.subTest(lines):
                session = transcripts.Session("", "", "")
                self.addCleanup(session.clear_up)
                session.known(session.processes, "21", 4001)
                session.show_lines(1, lines)
                in_order = map(session.normal, server(clone) + client)
                self.assertEqual(
                    session.out, [f"1  {line}" for line in in_order]
                )

    def test_a_thread_comes_after_its_server(self):
        self.shows_the_same(
            "clone3({flags=CLONE_VM|CLONE_FS, stack_size=0x7f}, 88)",
            ["thread 1      127.0.0.1:50001  connected"],
        )

    def test_a_process_comes_after_its_server(self):
        self.shows_the_same(
            "clone(child_stack=NULL, flags=SIGCHLD, child_tidptr=0x7f)",
            [
                "[pid    22] close(3) = 0",
                "process 22    127.0.0.1:50001  connected",
                "[pid    22] close(6) = 0",
            ],
        )


if __name__ == "__main__":
    unittest.main()
