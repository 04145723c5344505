"""A thread for each client: the threads server in Python.

Its steps have numbers, in `main` and then in `serve`. Next:
process_server.py, which differs in step 3.
"""

# A Python thread is a thread of the kernel, but only the one that holds the
# global interpreter lock (GIL) runs Python code.
import threading

# The options, the listening socket and the printing.
import common


def main():
    """Accepts clients and gives each a thread."""
    # The original serves "once": one exchange, then the server closes.
    options = common.parse_options(serve="once")
    # From here on clients can connect; the kernel queues them for `accept`.
    listener = common.listen(options)

    # The loop ends with Ctrl-C or SIGTERM. It also ends when descriptors
    # (EMFILE) or threads run out, since nothing catches that exception.
    while True:
        # 1. Accept a client
        # The main thread sleeps in the kernel until a connection is complete.
        # It does not hold the GIL meanwhile, so other threads can run.
        accepted = listener.accept()

        # 2. A new socket for the connection
        # This is another descriptor, for this one client. The listening socket
        # stays as it is, for the next `accept`.
        connection, address = accepted

        # 3. Create a thread
        # Threads share all memory, so the socket is simply an argument. With
        # `daemon` the program ends without waiting for this thread: a silent
        # client could otherwise delay the end after Ctrl-C for ever.
        thread = threading.Thread(
            target=serve, args=(connection, address, options), daemon=True
        )
        # No other thread joins this one, so Python detaches it: when `serve`
        # returns, nothing of the thread is left.
        thread.start()


def serve(connection, address, options):
    """Serves one client, while others are served in their threads."""
    # 4. From the new thread
    # The lines of several clients interleave; the scheduler decides the order.
    common.report(options, address, "connected")
    # After a reset by the client `recv` raises ConnectionResetError. As in the
    # original nothing catches it: Python prints a traceback and this thread
    # ends. The other threads go on.
    try:
        # The loop has one turn with "once", and one for each message with
        # "until-eof".
        while True:
            # 4.1 Receive
            # This blocks only this thread. If the client's machine vanishes,
            # it blocks for ever: neither side sends anything that could fail.
            data = connection.recv(common.BUFFER_SIZE)
            # No bytes mean the end of file: the client sends no more.
            if not data and options.serve == "until-eof":
                break

            # 4.2 Print
            # This may be only a part of the message: what had arrived by now.
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
        # The kernel sends the end of file. If input is left unread, it sends a
        # reset instead and discards what the client's kernel has not
        # acknowledged: a flaw of the original.
        connection.close()


# An import of this file, as a test does it, starts no server.
if __name__ == "__main__":
    main()
