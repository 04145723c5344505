"""What the three programs share, and what is not their lesson.

Options, the listening socket, signals, the lines printed, the reply. First
read one of the three from its first line to its last: threads_server.py,
process_server.py or mux_server.py. Then come back here.
"""

# All of it comes with Python: there is nothing to install.
import argparse
import contextlib
import os
import signal
import socket
import sys
import time

# Connections that the kernel completes and queues until `accept` takes them.
# Five is the originals' choice: what a burst has beyond it, the kernel drops,
# and those clients try again only after a second.
BACKLOG = 5

# The most that one `recv` hands over. TCP keeps no message boundaries: a
# message that is longer, or that travels in pieces, is received in parts.
BUFFER_SIZE = 1024

# Without `Content-Length`, and with bare newlines, HTTP in name only: a
# browser shows it, but knows where it ends only when the server closes.
GREETING = b"HTTP/1.1 200 OK\n\nHola, cliente!"

# Ctrl-C, and what `kill` sends unless told otherwise.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def parse_options(serve):
    """The command line; `serve` is how long the original serves a client."""
    # Writes `--help` by itself, out of what follows.
    parser = argparse.ArgumentParser()
    # Six options, one short name for the call.
    add = parser.add_argument
    # The originals listened on 0.0.0.0, every address of the machine, and so
    # served the whole network. 127.0.0.1 is reached from this machine alone.
    add("--host", default="127.0.0.1", help="address to listen on")
    # Port 0 asks the kernel for a free one: tests never meet a taken port.
    add("--port", type=int, default=8080, help="0 takes any free port")
    # The originals greet whatever they receive; an echo makes their work
    # comparable with that of other echo servers.
    add("--reply", choices=["greeting", "echo"], default="greeting")
    # One exchange, or as many as the client wants: until its end of file.
    add("--serve", choices=["once", "until-eof"], default=serve)
    # A measurement would measure the printing as well.
    add("--quiet", action="store_true", help="print only the first line")
    # Makes the processor the bottleneck, instead of the network.
    add("--cpu-work", type=int, default=0, metavar="MICROSECONDS")
    # Ends the program with status 2 if it cannot make sense of them.
    return parser.parse_args()


def listen(options):
    """A listening socket; its address is the first line printed."""
    # Before the first line is printed: whoever waits for that line may stop
    # the server at once, and then finds this handler.
    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    # IPv4 (INET) and TCP (STREAM): a descriptor, not yet bound to a port.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A connection that this side closed keeps the port in TIME_WAIT for a
    # minute; without this, a restart meanwhile fails: address already in use.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # A taken port or somebody else's address is the user's to mend: one line
    # says so, not a traceback.
    try:
        listener.bind((options.host, options.port))
        # From here on the kernel completes handshakes on its own.
        listener.listen(BACKLOG)
    # OverflowError is Python's own answer to a port above 65535.
    except (OSError, OverflowError) as error:
        # Exit status 1, and the text on standard error.
        sys.exit(f"cannot listen on {options.host}:{options.port}: {error}")
    # The kernel knows which port it gave; with `--port 0` nobody else does.
    program = os.path.basename(sys.argv[0])
    write_line(f"{program} listening on {name(listener.getsockname())}")
    # Whoever gets it has only to accept.
    return listener


def stop(_signal_number, _frame):
    """Ends the program with status 0, wherever the main thread is."""
    # A second Ctrl-C would interrupt the end itself, with a traceback.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # Runs between two instructions of the main thread; a blocking call is
    # interrupted for it. A flaw of all such handlers: a signal in the instant
    # before the call blocks is seen only when the next client comes.
    sys.exit(0)


@contextlib.contextmanager
def signals_held():
    """Inside of the `with`, Ctrl-C and SIGTERM wait."""
    # The kernel keeps them pending. A child forked now inherits the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    # After an exception too, or else the server would be deaf to Ctrl-C.
    try:
        yield
    finally:
        # What came meanwhile is delivered here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def signals_to_kernel():
    """Lets a forked child die of a signal, as a plain program does."""
    # The kernel ends it at once: no handler, no traceback, and no state of
    # the interpreter in which it could be missed.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # Held since before the fork: the parent's handler never runs in a child.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def report(options, address, event):
    """Prints one event of one client."""
    # Asked here, so that the three programs need not.
    if not options.quiet:
        write_line(f"{name(address)} {event}")


def write_line(text):
    """Writes one line, whole and at once."""
    # That nobody reads any more (`| head -1`) is no reason to stop serving.
    with contextlib.suppress(OSError):
        # `print` puts text and newline into a buffer one after the other:
        # threads tear the lines, `fork` copies what is still in it, and its
        # lock can abort Python at exit. One `write` knows none of that.
        os.write(sys.stdout.fileno(), f"{text}\n".encode())


def name(address):
    """How an address is written: 127.0.0.1:8080."""
    # A pair in Python; in the kernel four bytes of address, two of port.
    return f"{address[0]}:{address[1]}"


def printable(data):
    """The text received, harmless to a terminal."""
    # What is received may end within a character: `replace` shows � there and
    # raises nothing. `repr` escapes control characters, with which a client
    # could rewrite the screen that the server prints on.
    return repr(data.decode(errors="replace"))


def reply_to(data, options):
    """The reply to what was received, after the work asked for."""
    # CPU time of this thread: waiting, for the GIL too, does not count.
    until = time.thread_time() + options.cpu_work / 1e6
    # Pure Python, so this thread holds the GIL. If another one wants it, it
    # must hand it over after 5 ms (`sys.getswitchinterval`).
    while time.thread_time() < until:
        # CPU time is asked for by a system call: not at every turn.
        for _ in range(50):
            pass
    # An echo is RFC 862: the same bytes, unchanged.
    return data if options.reply == "echo" else GREETING
