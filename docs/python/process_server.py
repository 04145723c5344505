"""A process for each client: the process server in Python.

Set it beside threads_server.py: they differ in step 3, and in the copies
that parent and child must then close. Next: mux_server.py, which creates
neither a thread nor a process.
"""

# Each process has its own interpreter, and so its own GIL: the processes can
# compute on all cores at the same time.
import multiprocessing

# The options, the listening socket and the printing.
import common

# "fork" copies this process as it is, with its open sockets. The default is
# "spawn" on macOS and, since Python 3.14, "forkserver" on Linux: those do not
# copy this process, and send it the arguments instead.
FORK_CONTEXT = multiprocessing.get_context("fork")


def main():
    """Accepts clients and gives each a process."""
    # The original serves "once": one exchange, then the server closes.
    options = common.parse_options(serve="once")
    # From here on clients can connect; the kernel queues them for `accept`.
    listener = common.listen(options)

    # The loop ends with Ctrl-C or SIGTERM. It also ends when descriptors
    # (EMFILE) or processes (EAGAIN) run out: nothing catches that exception.
    while True:
        # 1. Accept a client
        # The parent sleeps in the kernel until a connection is complete. Its
        # children run meanwhile; they share no lock with it.
        accepted = listener.accept()

        # 2. A new socket for the connection
        # This is another descriptor, for this one client. The listening socket
        # stays as it is, for the next `accept`.
        connection, address = accepted

        # 3. Create a process
        # The child has the parent's memory, and so the arguments; the kernel
        # copies a page only when one of the two writes to it. With `daemon`
        # the parent sends SIGTERM to the child at its own end, and waits for
        # it.
        process = FORK_CONTEXT.Process(
            target=serve,
            args=(listener, connection, address, options),
            daemon=True,
        )
        # A signal just after the fork would end the parent before Python has
        # noted the child, and leave the child behind. So signals wait.
        with common.signals_held():
            # `start` also reaps the children that have ended. The last ones
            # stay zombies until the next client comes.
            process.start()
        # The child has a copy of this descriptor, and the connection ends only
        # when all copies are closed. With this one left open the client would
        # wait for the end of file, and the parent run out of descriptors.
        connection.close()


def serve(listener, connection, address, options):
    """Serves one client, while others are served in their processes."""
    # 4. From the new process
    # The child has a copy of the signal handler too, but only the parent ends
    # in that way.
    common.signals_to_kernel()
    # With this copy open the port would stay in use as long as the child
    # lives, also after the end of the parent.
    listener.close()
    # The lines of several clients interleave; the scheduler decides the order.
    common.report(options, address, "connected")
    # After a reset by the client `recv` raises ConnectionResetError. As in the
    # original nothing catches it: the child prints a traceback and ends with
    # exit status 1.
    try:
        # The loop has one turn with "once", and one for each message with
        # "until-eof".
        while True:
            # 4.1 Receive
            # This blocks only this process. If the client's machine vanishes,
            # it blocks for ever: neither side sends anything that could fail.
            data = connection.recv(common.BUFFER_SIZE)
            # No bytes mean the end of file: the client sends no more.
            if not data and options.serve == "until-eof":
                break

            # 4.2 Print
            # The child has inherited standard output: the same terminal, pipe
            # or file.
            common.report(
                options, address, f"received {common.printable(data)}"
            )

            # 4.3 Send
            # `send` may take only some of the bytes; `sendall` goes on until
            # the kernel has taken all of them.
            connection.sendall(common.reply_to(data, options))
            # The original stops here, also if the client has more to send.
            if options.serve == "once":
                break
    finally:
        # 4.4 Close
        # The parent has closed its copy, so the kernel sends the end of file.
        # If input is left unread, it sends a reset instead and discards what
        # the client's kernel has not acknowledged: a flaw of the original.
        connection.close()


# An import of this file, as a test does it, starts no server.
if __name__ == "__main__":
    main()
