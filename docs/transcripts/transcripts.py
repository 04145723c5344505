#!/usr/bin/env python3
"""The terminal sessions of the book: run for real, and written down.

    docs/transcripts/transcripts.py check [NAME...]    run, and compare
    docs/transcripts/transcripts.py record [NAME...]   run, and write anew

NAME.session says what is typed in which terminal, and what is waited for;
NAME.out is what was seen, and NAME.es.out what was seen in Spanish.
README.md beside this file explains the form of a session and what is
normalised. Needs Linux, and the programs that the sessions use.
"""

import argparse
import concurrent.futures
import contextlib
import difflib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# How long an event may take before a session has failed.
LIMIT = 30

# What the book shows in place of what differs from run to run.
PORT = 8080
FIRST_CLIENT = 50001
FIRST_PROCESS = 4001

# Numbers that are process ids, wherever they stand.
PROCESS_IDS = re.compile(
    r"(?:^process |^proceso |pid=|\[pid +|strace: Process |"
    r"(?:-server|\}|d \d|o \d)\(|tid=\[|clone\d?\(.*\) = )(\d+)"
)
# Numbers that are the ports of clients.
CLIENT_PORTS = re.compile(
    r"(?:127\.0\.0\.1:|sin_port=htons\()(\d{5})(?!\d)"
)
# A line of a transcript, and a line of strace.
SAID = r"(?:thread|hilo|process|proceso|loop|bucle)(?: \d+)? +127\."
WHOLE = re.compile(rf"\[pid |\w+\(|\+\+\+|---|{SAID}|[\w-]+-server ")
# A line of strace that another has cut in two.
CUTTING = re.compile(
    rf"((?:\[pid +\d+\] )?\w+\(.*?)(strace: Process .*|{SAID}.*)$"
)
CALLS = re.compile(r"(accept4|clone3?|close|recvfrom|sendto|shutdown|poll)\(")


def call(line):
    """Who has called what, in a line of strace."""
    found = re.match(r"(\[pid +\d+\] |)(\w+)\(", line)
    return found and (found[1], found[2])


class Failed(Exception):
    """A session did not go as it says."""


class Terminal:
    """One terminal: a shell command after the other, and what they print."""

    def __init__(self, number, changed):
        self.number = number
        self.changed = changed
        self.process = None
        self.reader = None
        # Lines that have come, those already waited for, and those shown.
        self.lines = []
        self.claimed = set()
        self.seen = 0
        self.shown = 0
        # System calls that strace has shown one half of.
        self.halves = {}
        self.rest = None

    def start(self, command, environment):
        """Types a command."""
        if self.process and self.process.poll() is None:
            raise Failed(f"terminal {self.number} is busy")
        self.process = subprocess.Popen(
            # A process that was started in the background ignores Ctrl-C, and
            # so would all that it starts.
            ["env", "--default-signal=INT", "bash", "-c", command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for all processes of one terminal.
            start_new_session=True,
        )
        self.reader = threading.Thread(
            target=self.read, args=(self.process.stdout,), daemon=True
        )
        self.reader.start()

    def read(self, stream):
        """Takes down each line as it comes."""
        for raw in stream:
            text = raw.decode(errors="backslashreplace").rstrip("\n")
            lines = self.whole(text)
            with self.changed:
                self.lines.extend(lines)
                self.changed.notify_all()

    def whole(self, line):
        """The lines that this one completes. Where two processes are traced,
        strace shows some calls in two halves, and some of its lines are cut
        by another: they are joined where they end."""
        # The line was cut by the server's output, or by strace's news of a
        # process.
        cut = CUTTING.match(line)
        if cut:
            self.halves[call(cut[1])] = cut[1]
            self.rest = call(cut[1])
            return self.whole(cut[2])
        if line.startswith("strace: Process "):
            return []
        half = re.match(r"(.*) <unfinished \.\.\.>$", line)
        if half:
            self.halves[call(line)] = half[1]
            return []
        rest = re.match(r"(\[pid +\d+\] |)<\.\.\. (\w+) resumed>(.*)$", line)
        if rest:
            # Before there was a second process, there was no number.
            for key in ((rest[1], rest[2]), ("", rest[2])):
                if key in self.halves:
                    return [self.halves.pop(key) + rest[3]]
        if self.rest in self.halves and not WHOLE.match(line):
            return [self.halves.pop(self.rest) + line]
        return [line]

    def ended(self):
        """Whether the command has ended and all its output has come."""
        return self.process.poll() is not None and not self.reader.is_alive()


class Session:
    """One run of one session, in one language."""

    def __init__(self, name, language, target):
        self.name = name
        self.language = language
        self.target = target
        self.changed = threading.Condition()
        self.terminals = {}
        self.actor = None
        self.out = []
        self.substitutions = []
        self.ordered = {}
        self.renumbered = {}
        self.traced = False
        self.hidden = {}
        self.hiding = {}
        self.ports = {}
        self.processes = {}
        self.port = free_port()
        self.scratch = tempfile.TemporaryDirectory()

    def run(self):
        """Performs the session and returns what was seen."""
        path = HERE / f"{self.name}.session"
        try:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if line == "end":
                    # The session does not show what comes after this.
                    self.show()
                    break
                if line and not line.startswith("#"):
                    try:
                        self.perform(line)
                    except Failed as failure:
                        raise Failed(
                            f"{path.name}:{number}: {line}\n{failure}\n"
                            f"so far:\n{self.so_far()}"
                        ) from None
            else:
                self.show(everything=True)
                for terminal in self.terminals.values():
                    if not terminal.ended():
                        raise Failed(
                            f"{path.name}: terminal {terminal.number} is "
                            f"still busy at the end"
                        )
        finally:
            self.clear_up()
        return "".join(line.rstrip() + "\n" for line in self.out)

    def so_far(self):
        rest = [
            f"{t.number}  {line}"
            for t in self.terminals.values()
            for line in t.lines[t.shown:]
        ]
        return "\n".join(self.out + ["-- not yet shown:"] + rest)

    def clear_up(self):
        """Ends what a failed session has left running; these are sessions of
        their own, started here."""
        for terminal in self.terminals.values():
            if not terminal.process:
                continue
            try:
                os.killpg(terminal.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            terminal.process.stdin.close()
            terminal.process.wait()
        self.scratch.cleanup()

    def perform(self, line):
        """One line of the session."""
        if found := re.fullmatch(r"sub (.+) => (.*)", line):
            self.substitutions.append((re.compile(found[1]), found[2]))
            return
        if found := re.fullmatch(r"wait (\w+) (\d+)", line):
            self.wait_for_system(found[1], int(found[2]))
            return
        found = re.fullmatch(r"(\d)([$?>\-<=%] |\^C|\^D|\.)(.*)", line)
        if not found:
            raise Failed("not understood")
        number, verb, rest = int(found[1]), found[2].strip(), found[3]
        terminal = self.terminals.setdefault(
            number, Terminal(number, self.changed)
        )
        if verb in ("$", ">", "^C", "^D"):
            # What was seen of the step before, and then a new one.
            self.show()
            self.actor = terminal
            if verb == "$":
                rest = self.command(rest)
            shown = {"$": f"$ {self.normal(rest)}", ">": f"> {rest}"}
            self.out.append(f"{number}{shown.get(verb, f'  {verb}')}")
            self.hiding[number] = False
        match verb:
            case "$":
                terminal.start(self.real(rest), self.environment())
            case ">":
                terminal.process.stdin.write(rest.encode() + b"\n")
                terminal.process.stdin.flush()
            case "^C":
                os.killpg(terminal.process.pid, signal.SIGINT)
            case "^D":
                terminal.process.stdin.close()
            case "?":
                self.wait_for_line(terminal, re.compile(rest))
                if number == 1 and not self.processes:
                    # The server comes before its children.
                    self.known(self.processes, self.server(), FIRST_PROCESS)
            case ".":
                self.until(terminal.ended, "its end")
                terminal.seen = len(terminal.lines)
            case "-":
                self.hidden.setdefault(number, []).append(re.compile(rest))
            case "%":
                self.renumbered = {word: {} for word in rest.split("|")}
            case "=" | "<":
                self.ordered[number] = re.compile(rest), verb == "<"

    def environment(self):
        """The environment of a terminal without settings of its user's."""
        settings = {
            "LANG": "C.UTF-8",
            # No more than the servers need to know it.
            "LC_MESSAGES": self.language or "C",
            # In place of `--port`, which a reader need not type.
            "ECHO_PORT": str(self.port),
            # The book does not show what cargo prints while it builds.
            "CARGO_TERM_QUIET": "true",
            # On a terminal curl shows no meter beside its output.
            "CURL_HOME": self.scratch.name,
            "COLUMNS": "80",
        }
        pathlib.Path(self.scratch.name, ".curlrc").write_text(
            "no-progress-meter\n"
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LC_", "ECHO_", "LANG"))
        }
        return kept | settings

    # ------------------------------------------------------------- Waiting

    def until(self, happened, what):
        """Waits for output that makes this true."""
        end = time.monotonic() + LIMIT
        with self.changed:
            while not happened():
                if time.monotonic() > end:
                    raise Failed(f"waited for {what} in vain")
                # The end of a process is not announced, so look now and then.
                self.changed.wait(0.02)

    def wait_for_line(self, terminal, pattern):
        """Waits for a line of this step that no command has waited for yet."""

        def come():
            for at in range(terminal.shown, len(terminal.lines)):
                if at not in terminal.claimed and pattern.search(
                    terminal.lines[at]
                ):
                    terminal.claimed.add(at)
                    terminal.seen = max(terminal.seen, at + 1)
                    return True
            return False

        self.until(come, f"a line /{pattern.pattern}/")

    def wait_for_system(self, what, number):
        """Waits for what no program prints."""

        def so():
            # Cargo may still build the program.
            with contextlib.suppress(Failed):
                return self.fact(what) == number

        self.until(so, f"{number} {what}")

    def fact(self, what):
        """What the kernel says of the server."""
        match what:
            case "children":
                return len(said("pgrep", "-P", self.server()))
            case "threads" | "asleep":
                words = "-T", "-o", "state=", "-p", self.server()
                states = said("ps", *words)
                return len(states) if what == "threads" else states.count("S")
            case "connections" | "unread":
                # Established, or the client has sent its end of file.
                words = "state", "established", "state", "close-wait"
                rows = said("ss", "-tnH", *words, f"sport = :{self.port}")
                queues = [int(row.split()[1]) for row in rows]
                return len(queues) if what == "connections" else sum(queues)

    def server(self):
        """The process id of the server, or of the program of the deadlock: the
        oldest of its name in the first terminal."""
        session = str(self.terminals[1].process.pid)
        found = said("pgrep", "-o", "-s", session, "server$|^dead")
        if not found:
            raise Failed("there is no server in terminal 1")
        return found[0]

    # ----------------------------------------------- Showing, normalised

    def command(self, text):
        """A command with the process id of the server in its place."""
        if "{server}" in text:
            text = text.replace("{server}", self.server())
        return text

    def real(self, command):
        """A command as it must be typed here."""
        command = re.sub(rf"\b{PORT}\b", str(self.port), command)
        return command.replace("target/debug/", f"{self.target}/debug/")

    def show(self, everything=False):
        """Appends what each terminal has printed since the step before, as
        far as it was waited for: that of the step itself first."""
        order = sorted(
            self.terminals.values(),
            key=lambda t: (t is not self.actor, t.number),
        )
        for terminal in order:
            end = len(terminal.lines) if everything else terminal.seen
            lines = terminal.lines[terminal.shown:end]
            terminal.shown = end
            self.show_lines(terminal.number, lines)

    def show_lines(self, number, lines):
        lines = self.by_process([self.numbered(line) for line in lines])
        if number in self.ordered:
            lines = self.in_order(lines, *self.ordered[number])
        for line in lines:
            for port in CLIENT_PORTS.findall(line):
                self.known(self.ports, port, FIRST_CLIENT)
            for process in PROCESS_IDS.findall(line):
                self.known(self.processes, process, FIRST_PROCESS)
        shift = 0
        for line in lines:
            hidden = any(p.search(line) for p in self.hidden.get(number, []))
            if hidden:
                if not self.hiding.get(number):
                    self.out.append(f"{number}  …")
                self.hiding[number] = True
                continue
            self.hiding[number] = False
            # The branches of a tree begin where its root ends.
            branch = re.match(r" +(?=[│├└|`])", line)
            if branch:
                line = " " * (len(branch[0]) + shift) + line.lstrip()
            normal = self.normal(line)
            if not branch:
                root = re.split(r"[─-][┬─+-]", line)[0]
                shift = len(self.normal(root)) - len(root)
            self.out.append(f"{number}  {normal}")

    def numbered(self, line):
        """A line of strace with the number of the process. strace itself
        begins to show it when it has noticed that there is a second one."""
        if self.traced and CALLS.match(line):
            server = next(iter(self.processes))
            return f"[pid {server}] {line}"
        self.traced = self.traced or line.startswith("clone")
        return line

    def by_process(self, lines):
        """Puts the lines of one process together, where strace has traced
        several and in which order they come is up to chance."""
        if not any(line.startswith("[pid ") for line in lines):
            return lines
        # The server, and what it has created, in the order of creation.
        order = list(self.processes)
        for line in lines:
            created = re.match(r".*clone3?\(.* = (\d+)$", line)
            if created and created[1] not in order:
                order.append(created[1])
        keys = []
        for line in lines:
            owner = re.match(r"(?:\[pid +|process |proceso )(\d+)", line)
            # The transcript of a thread does not name its process id: it is
            # the latest. All else is the server's.
            thread = re.match(r"(?:thread|hilo) \d", line)
            default = order[-1] if thread else order[0]
            keys.append(order.index(owner[1] if owner else default))
        pairs = sorted(zip(keys, lines), key=lambda pair: pair[0])
        return [line for _, line in pairs]

    def in_order(self, lines, pattern, whole):
        """Puts the lines that match in order, each in the place of another,
        where they came at the same time; or only what matches, for who is
        younger need not have the greater number."""
        found = [pattern.search(line) for line in lines]
        some = sorted(
            filter(None, found), key=lambda it: natural(self.normal(it[1]))
        )
        some = iter(some)
        return [
            line
            if not match
            else next(some).string
            if whole
            else line[:match.start(1)] + next(some)[1] + line[match.end(1):]
            for match, line in zip(found, lines)
        ]

    def known(self, table, real, first):
        """Gives a number of this run the next one of the book."""
        if real != str(self.port):
            table.setdefault(real, str(first + len(table)))

    def normal(self, line):
        """A line as the book shows it."""
        table = self.processes | self.ports | {str(self.port): str(PORT)}
        line = re.sub(
            r"(?<![\w.])\d+(?!\w)",
            lambda found: table.get(found[0], found[0]),
            line,
        )
        # Both pad a number to a width that it may exceed.
        line = re.sub(r"^\[pid +", "[pid ", line)
        line = re.sub(
            r"^((?:process|proceso) \d+) +",
            lambda found: f"{found[1]:<12}  ",
            line,
        )
        if found := re.match(r"(\w+) (\d+) +(?=\d)", line):
            if (order := self.renumbered.get(found[1])) is not None:
                place = order.setdefault(found[2], len(order) + 1)
                worker = f"{found[1]} {place}"
                line = f"{worker:<12}  {line[found.end():]}"
        for pattern, replacement in self.substitutions:
            line = pattern.sub(replacement, line)
        return line


def natural(line):
    """`thread 10` comes after `thread 9`."""
    return [
        int(part) if part.isdigit() else part
        for part in re.split(r"(\d+)", line)
    ]


def said(*command):
    """The lines that a command prints."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()


# Ports given to sessions of this run, which may not have bound them yet.
taken = {PORT}


def free_port():
    """A free port of as many digits as that of the book, so that columns keep
    their width; and below those that the kernel hands out."""
    while True:
        port = random.randint(7001, 9999)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            taken.add(port)
            return port


def cargo(*words):
    return subprocess.run(
        ["cargo", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout


def build():
    """Builds what the sessions run; returns where cargo has put it."""
    servers = ("threads-server", "process-server", "mux-server")
    cargo("build", "--quiet", *(w for s in servers for w in ("-p", s)))
    cargo("build", "--quiet", "-p", "threads-server", "--examples")
    metadata = cargo("metadata", "--no-deps", "--format-version", "1")
    return json.loads(metadata)["target_directory"]


def lacking():
    """What a machine must have, or the sessions would fail without a word."""
    tools = (
        "bash curl nc od pgrep prlimit ps pstree python3 rustc seq ss strace "
        "timeout xargs"
    )
    for tool in tools.split():
        if not shutil.which(tool):
            yield f"there is no {tool}"
    if shutil.which("nc"):
        help_text = subprocess.run(
            ["nc", "-h"], capture_output=True, stdin=subprocess.DEVNULL
        )
        if b"OpenBSD" not in help_text.stdout + help_text.stderr:
            yield "nc is not that of OpenBSD"


def outputs(name):
    """Where the two languages of a session are written down."""
    return {"": HERE / f"{name}.out", "es": HERE / f"{name}.es.out"}


# The commands of the READMEs that are run by other checks.
RUN_ELSEWHERE = (
    "cargo test",
    "scripts/balance.sh",
    "scripts/demo.sh",
    "scripts/book.sh",
    "cargo run --profile lab -p lab",
    # The suite's cases of `--trace` do.
    "cargo run -p threads-server -- --trace ",
)


def readme_commands(names):
    """Commands that a README shows and no session runs."""
    typed = {
        line[3:]
        for name in names
        for line in (HERE / f"{name}.session").read_text().splitlines()
        if re.match(r"\d\$ ", line)
    }
    for readme in sorted(ROOT.glob("README*.md")):
        blocks = re.findall(r"```sh\n(.*?)```", readme.read_text(), re.DOTALL)
        for line in "".join(blocks).splitlines():
            if line not in typed and not line.startswith(RUN_ELSEWHERE):
                yield f"{readme.name}: no session runs: {line}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("check", "record"))
    parser.add_argument("names", metavar="NAME", nargs="*")
    arguments = parser.parse_args()
    every = sorted(path.stem for path in HERE.glob("*.session"))
    names = arguments.names or every
    if faults := list(lacking()):
        print("\n".join(faults), file=sys.stderr)
        return 2
    target = build()
    faults = []
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for name in names:
            for language, path in outputs(name).items():
                session = Session(name, language, target)
                jobs[pool.submit(session.run)] = path
        for job in concurrent.futures.as_completed(jobs):
            path = jobs[job]
            try:
                text = job.result()
            except (Failed, OSError) as failure:
                faults.append(f"{path.name}: {failure}")
                continue
            before = path.read_text() if path.exists() else ""
            if arguments.action == "record":
                path.write_text(text)
            elif before != text:
                difference = difflib.unified_diff(
                    before.splitlines(),
                    text.splitlines(),
                    f"{path.name} (in the book)",
                    f"{path.name} (now)",
                    lineterm="",
                )
                faults.append("\n".join(difference))
    if not arguments.names:
        wanted = {path for name in every for path in outputs(name).values()}
        stale = sorted(set(HERE.glob("*.out")) - wanted)
        faults += [f"{path.name}: there is no such session" for path in stale]
        faults += readme_commands(every)
    for fault in faults:
        print(fault, end="\n\n")
    print(f"{len(jobs)} sessions, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
