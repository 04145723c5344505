"""One loop for all clients: the multiplexing server in Python.

No thread and no process is created: the kernel says which sockets are
ready, and the loop serves one after the other. Begin with
threads_server.py if blocking calls are new to you; next: common.py.
"""

# One system call that waits for many descriptors at once.
import select

# Options, listening socket, printing: what is not the lesson.
import common


def main():
    """Waits for whatever is ready, and serves that."""
    # "until-eof" as in the original: a client is served until it has closed.
    options = common.parse_options(serve="until-eof")
    # From here on clients can connect, though nobody accepts them yet.
    listener = common.listen(options)

    # 1. Initialise the list
    # A client that wants in makes the listening socket readable.
    sockets = [listener]
    # A thread has variables of its own for its client. Here the program keeps
    # the clients apart.
    addresses = {}

    # Until Ctrl-C or SIGTERM.
    while True:
        # 2. Wait for one or more connections
        # The only place to sleep. At each call the kernel looks through the
        # whole list. A descriptor above 1023 does not fit into it: then a
        # ValueError ends the server.
        readable, _, _ = select.select(sockets, [], [])

        # 3. Iterate over those that are ready
        # Not `sockets` itself, which changes meanwhile.
        for ready in readable:
            # 4. For each of them
            # What "readable" means depends on the socket.
            if ready is listener:
                # A connection is complete: `accept` will not block.
                welcome(listener, sockets, addresses, options)
            else:
                # Data has come, or the end of file, or an error.
                serve(ready, sockets, addresses, options)


def welcome(listener, sockets, addresses, options):
    """Takes a new client into the list."""
    # 4.1 A new socket for the connection
    # One client each time: if more are waiting, `select` returns at once.
    # Without a free descriptor (EMFILE) the exception ends the server.
    connection, address = listener.accept()
    # Remembered: a connection that was reset no longer knows its peer.
    addresses[connection] = address
    # It may be silent for hours now, and nobody waits for it.
    common.report(options, address, "connected")

    # 4.2 Add the socket to the list
    # The next `select` watches it too.
    sockets.append(connection)


def serve(connection, sockets, addresses, options):
    """Gives one client its turn: one message, or the end."""
    # The loop has many clients: whose turn is it?
    address = addresses[connection]

    # 4.3 If there is data
    # An exception because of one client would end the service of all: unlike
    # with threads and processes it must be caught.
    try:
        # Receive. This does not block: `select` has just named the socket.
        data = connection.recv(common.BUFFER_SIZE)
        # Only now is it known whether there is any.
        if data:
            # Print. Perhaps a part of the message: the rest is another turn.
            common.report(
                options, address, f"received {common.printable(data)}"
            )
            # Send. If the client does not read, this blocks, and everybody
            # waits: the flaw of a loop with blocking sockets. Everybody waits
            # for the computing of a reply as well.
            connection.sendall(common.reply_to(data, options))
    except OSError:
        # Reset, or gone before its reply: as good as closed.
        data = b""

    # 4.4 If there is none
    # Nothing received is the end of file; with "once" one message is enough.
    if not data or options.serve == "once":
        # As in the original; threads and processes end without a word.
        common.report(options, address, "disconnected")
        # First out of the list: `select` raises ValueError for a closed one.
        sockets.remove(connection)
        # Or else the addresses of all former clients pile up.
        del addresses[connection]
        # Ends the connection, and frees the number of the descriptor for the
        # next client.
        connection.close()


# Run as a program, not when imported.
if __name__ == "__main__":
    main()
