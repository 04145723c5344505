"""A process for each client: the process server in Python.

Set it beside threads_server.py: they differ in step 3, and in the copies
that parent and child must then close. Next: mux_server.py, which creates
neither a thread nor a process.
"""

# Each process has its own interpreter, and so its own GIL: together they
# compute on as many cores as there are.
import multiprocessing

# Options, listening socket, printing: what is not the lesson.
import common

# Named, because the default is "spawn" on macOS, "forkserver" on Linux since
# Python 3.14: both begin with a fresh interpreter and send it the arguments.
# "fork" copies this process as it is, open sockets included.
CONTEXT = multiprocessing.get_context("fork")


def main():
    """Accepts clients and gives each a process."""
    # "once" as in the original: one exchange, then the server closes.
    options = common.parse_options(serve="once")
    # From here on clients can connect, though nobody accepts them yet.
    listener = common.listen(options)

    # Until Ctrl-C or SIGTERM; or until descriptors (EMFILE) or processes
    # (EAGAIN) run out: nothing here catches that exception.
    while True:
        # 1. Accept a client
        # Sleeps in the kernel until a connection is complete. The children
        # run meanwhile: no lock ties them to this process.
        accepted = listener.accept()

        # 2. A new socket for the connection
        # The listening socket stays as it is and only ever accepts; this is
        # another descriptor, for this one client.
        connection, address = accepted

        # 3. Create a process
        # The copy has the arguments already; a page of memory is copied only
        # when one side writes to it. `daemon`: at exit Python sends it SIGTERM
        # and waits for its end, so that no orphan is left behind.
        process = CONTEXT.Process(
            target=serve,
            args=(listener, connection, address, options),
            daemon=True,
        )
        # Forked, but not yet in Python's list of children: a stop just then
        # would leave this one behind. So signals wait.
        with common.signals_held():
            # Reaps the children that have ended, as `active_children()` does.
            # The last ones stay zombies until the next client comes.
            process.start()
        # The child has its own copy. Only the last one closed ends the
        # connection: with this one open the client would wait for its end of
        # file, and the parent run out of descriptors.
        connection.close()


def serve(listener, connection, address, options):
    """Serves one client, while others are served in their processes."""
    # 4. From the new process
    # The handler, copied too, is the parent's way to end.
    common.signals_to_kernel()
    # With this copy open, the port would stay taken for as long as the child
    # lives, even if the parent is dead.
    listener.close()
    # Lines of several clients interleave, in an order that nobody knows.
    common.report(options, address, "connected")
    # A client that resets raises ConnectionResetError. As in the original
    # nothing catches it: the child prints a traceback and ends with status 1.
    try:
        # One exchange, or one after the other.
        while True:
            # 4.1 Receive
            # Blocks this process only. For ever, if the client vanishes
            # without a word: neither side sends anything that could fail.
            data = connection.recv(common.BUFFER_SIZE)
            # Nothing received is the end of file: the client sends no more.
            if not data and options.serve == "until-eof":
                break

            # 4.2 Print
            # Standard output is inherited: the same terminal, pipe or file.
            common.report(
                options, address, f"received {common.printable(data)}"
            )

            # 4.3 Send
            # `send` may take only some of the bytes; `sendall` goes on until
            # the kernel has them all.
            connection.sendall(common.reply_to(data, options))
            # The original stops here, whatever else the client has to say.
            if options.serve == "once":
                break
    finally:
        # 4.4 Close
        # The last copy, so it sends the end of file. If input is left unread,
        # a reset instead, which can destroy the reply: a flaw of the original.
        connection.close()


# Run as a program, not when imported.
if __name__ == "__main__":
    main()
