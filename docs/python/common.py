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
# Five is the originals' choice. While the queue is full, the kernel ignores
# the SYN of a new client, whose own kernel repeats it a second later.
BACKLOG = 5

# The most that one `recv` hands over. TCP keeps no message boundaries: a
# message that is longer, or that travels in pieces, is received in parts.
BUFFER_SIZE = 1024

# HTTP asks for CRLF at the end of each line; browsers take these newlines
# too. Without `Content-Length` the reply ends where the server closes.
GREETING = b"HTTP/1.1 200 OK\n\nHola, cliente!"

# The kernel sends SIGINT for Ctrl-C; `kill` sends SIGTERM without an option.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def parse_options(serve):
    """The command line; `serve` is how long the original serves a client."""
    # The parser writes the text of `--help` from the options below.
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    # The originals listened on 0.0.0.0, every address of the machine, and so
    # served the whole network. Only this machine can reach 127.0.0.1.
    add("--host", default="127.0.0.1", help="address to listen on")
    # Port 0 asks the kernel for a free port, so a test never meets one that
    # is in use.
    add("--port", type=int, default=8080, help="0 takes any free port")
    # The originals send this greeting for any message. An echo can be compared
    # with other echo servers.
    add("--reply", choices=["greeting", "echo"], default="greeting")
    # The server closes after one exchange, or after the client's end of file.
    add("--serve", choices=["once", "until-eof"], default=serve)
    # Without this a measurement would include the printing.
    add("--quiet", action="store_true", help="print only the first line")
    # A client that computes makes the processor the bottleneck, not the
    # network.
    add("--cpu-work", type=int, default=0, metavar="MICROSECONDS")
    # A mistake on the command line ends the program with exit status 2.
    return parser.parse_args()


def listen(options):
    """A listening socket; its address is the first line printed."""
    # The handler is installed before the first line is printed: a test that
    # waits for that line may stop the server at once.
    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    # INET is IPv4, and STREAM means TCP here. The kernel gives a descriptor
    # that has no port yet.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A connection that the server closed first stays in TIME_WAIT for a
    # minute. Without this option a restart in that minute fails in `bind`:
    # address already in use.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # `bind` fails for a port in use and for an address of another machine.
    # The user can correct both, so one line says what is wrong.
    try:
        listener.bind((options.host, options.port))
        # From here on the kernel completes handshakes by itself.
        listener.listen(BACKLOG)
    # Python raises OverflowError for a port above 65535.
    except (OSError, OverflowError) as error:
        # `sys.exit` writes a text to standard error; the exit status is 1.
        sys.exit(f"cannot listen on {options.host}:{options.port}: {error}")
    # With `--port 0` only the kernel knows which port it has chosen.
    program = os.path.basename(sys.argv[0])
    write_line(f"{program} listening on {name(listener.getsockname())}")
    return listener


def stop(_signal_number, _frame):
    """Ends the program with status 0, wherever the main thread is."""
    # A second Ctrl-C would interrupt the end of the program with a traceback.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # Python runs this handler between two instructions of the main thread, and
    # a signal interrupts a call that blocks. But a signal that comes just
    # before the call blocks is handled only when the next client comes.
    sys.exit(0)


@contextlib.contextmanager
def signals_held():
    """Inside of the `with`, Ctrl-C and SIGTERM wait."""
    # The kernel keeps these signals pending. A child that is forked now
    # inherits the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    # The `finally` also runs after an exception; otherwise the server would
    # ignore Ctrl-C from then on.
    try:
        yield
    finally:
        # The kernel delivers here the signals that came meanwhile.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def signals_to_kernel():
    """Lets a forked child die of a signal, as a plain program does."""
    # With the default action the kernel ends the child at once, without a
    # handler and without a traceback.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # The signals were blocked before the fork, so the parent's handler never
    # runs in a child.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def report(options, address, event):
    """Prints one event of one client."""
    # The test stands here, so that the three programs need none.
    if not options.quiet:
        write_line(f"{name(address)} {event}")


def write_line(text):
    """Writes one line, whole and at once."""
    # The pipe may have no reader any more, as with `| head -1`. The server
    # goes on serving all the same.
    with contextlib.suppress(OSError):
        # `print` puts the text and the newline into a buffer one after the
        # other: threads can tear the lines, `fork` copies what the buffer
        # holds, and its lock can abort Python at exit. One `write` cannot.
        os.write(sys.stdout.fileno(), f"{text}\n".encode())


def name(address):
    """How an address is written: 127.0.0.1:8080."""
    # Python has a pair; the kernel has four bytes of address and two of port.
    return f"{address[0]}:{address[1]}"


def printable(data):
    """The text received, harmless to a terminal."""
    # The data may end within a character: `replace` shows � there instead of
    # an exception. `repr` escapes control characters, with which a client
    # could rewrite the server's screen.
    return repr(data.decode(errors="replace"))


def reply_to(data, options):
    """The reply to what was received, after the work asked for."""
    # This clock counts the CPU time of this thread. The time in which the
    # thread waits, also for the GIL, does not count.
    until = time.thread_time() + options.cpu_work / 1e6
    # While this thread runs Python code, it holds the GIL. When another thread
    # wants the GIL, this one gives it up after 5 ms (`sys.getswitchinterval`).
    while time.thread_time() < until:
        # Each look at the clock is a system call, so the clock is read only
        # once in fifty turns.
        for _ in range(50):
            pass
    # RFC 862 defines an echo: the same bytes, unchanged.
    return data if options.reply == "echo" else GREETING
