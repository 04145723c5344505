"""A thread for each client: the threads server in Python.

Its steps have numbers, in `main` and then in `serve`. Next:
process_server.py, which differs in step 3.
"""

# A Python thread is a thread of the kernel, but only the one that holds the
# global interpreter lock (GIL) runs Python code.
import threading

# Options, listening socket, printing: what is not the lesson.
import common


def main():
    """Accepts clients and gives each a thread."""
    # "once" as in the original: one exchange, then the server closes.
    options = common.parse_options(serve="once")
    # From here on clients can connect, though nobody accepts them yet.
    listener = common.listen(options)

    # Until Ctrl-C or SIGTERM; or until descriptors (EMFILE) or threads run
    # out: nothing here catches that exception.
    while True:
        # 1. Accept a client
        # Sleeps in the kernel until a connection is complete, and releases
        # the GIL meanwhile, so that the threads of other clients run.
        accepted = listener.accept()

        # 2. A new socket for the connection
        # The listening socket stays as it is and only ever accepts; this is
        # another descriptor, for this one client.
        connection, address = accepted

        # 3. Create a thread
        # Threads share all memory, so the socket is simply an argument.
        # `daemon`: the end of the program does not wait for this thread, or
        # else one silent client would outlast Ctrl-C.
        thread = threading.Thread(
            target=serve, args=(connection, address, options), daemon=True
        )
        # Nobody joins it, and yet nothing of it is left after `serve`: Python
        # detaches the threads that nobody joins.
        thread.start()


def serve(connection, address, options):
    """Serves one client, while others are served in their threads."""
    # 4. From the new thread
    # Lines of several clients interleave, in an order that nobody knows.
    common.report(options, address, "connected")
    # A client that resets raises ConnectionResetError. As in the original
    # nothing catches it: Python prints a traceback, this thread ends, and the
    # others do not notice.
    try:
        # One exchange, or one after the other.
        while True:
            # 4.1 Receive
            # Blocks this thread only. For ever, if the client vanishes
            # without a word: neither side sends anything that could fail.
            data = connection.recv(common.BUFFER_SIZE)
            # Nothing received is the end of file: the client sends no more.
            if not data and options.serve == "until-eof":
                break

            # 4.2 Print
            # Perhaps only a part of the message: what had arrived by now.
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
        # Sends the end of file. If input is left unread, a reset instead,
        # which can destroy the reply on its way: a flaw of the original.
        connection.close()


# Run as a program, not when imported.
if __name__ == "__main__":
    main()
