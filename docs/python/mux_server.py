"""One loop for all clients: the multiplexing server in Python.

No thread and no process is created: the kernel says which sockets are
ready, and the loop serves one after the other. Begin with
threads_server.py if blocking calls are new to you; next: common.py.
"""

# select(2) waits for many descriptors at once.
import select

# The options, the listening socket and the printing.
import common


def main():
    """Waits for whatever is ready, and serves that."""
    # The original serves "until-eof": a client is served until it has closed.
    options = common.parse_options(serve="until-eof")
    # From here on clients can connect; the kernel queues them for `accept`.
    listener = common.listen(options)

    # 1. Initialise the list
    # A client in the queue makes the listening socket readable.
    sockets = [listener]
    # A thread has variables of its own for its client. One loop for all
    # clients needs a table.
    addresses = {}

    # Ctrl-C or SIGTERM ends the loop.
    while True:
        # 2. Wait for one or more connections
        # The loop sleeps here while no socket is ready. At each call the
        # kernel looks through the whole list. A descriptor above 1023 does not
        # fit into the list: then a ValueError ends the server.
        readable, _, _ = select.select(sockets, [], [])

        # 3. Iterate over those that are ready
        # `readable` is a list of its own: `sockets` changes meanwhile.
        for ready in readable:
            # 4. For each of them
            # What "readable" means depends on the socket.
            if ready is listener:
                # A connection is complete, so `accept` does not block.
                welcome(listener, sockets, addresses, options)
            else:
                # Data has come, or the end of file, or an error of the network.
                serve(ready, sockets, addresses, options)


def welcome(listener, sockets, addresses, options):
    """Takes a new client into the list."""
    # 4.1 A new socket for the connection
    # One client each time: if more are waiting, `select` returns at once.
    # Without a free descriptor (EMFILE) the exception ends the server.
    connection, address = listener.accept()
    # After a reset `getpeername` fails, so the table keeps the address.
    addresses[connection] = address
    # This client may be silent for hours now; the loop waits for all clients.
    common.report(options, address, "connected")

    # 4.2 Add the socket to the list
    # The next `select` watches the new socket too.
    sockets.append(connection)


def serve(connection, sockets, addresses, options):
    """Gives one client its turn: one message, or the end."""
    # The loop has many clients; the table knows which one this is.
    address = addresses[connection]

    # 4.3 If there is data
    # An exception because of one client would end the service of all clients,
    # so it must be caught here.
    try:
        # Receive. This does not block: `select` has just named the socket.
        data = connection.recv(common.BUFFER_SIZE)
        if data:
            # Print. This may be a part of the message; the rest comes in
            # another turn.
            common.report(
                options, address, f"received {common.printable(data)}"
            )
            # Send. If the client does not read, this blocks, and all clients
            # wait: the flaw of a loop with blocking sockets. All clients wait
            # while a reply is computed as well.
            connection.sendall(common.reply_to(data, options))
    except OSError:
        # The client has reset the connection: the same as an end of file.
        data = b""

    # 4.4 If there is none
    # No bytes mean the end of file; with "once" one message is enough.
    if not data or options.serve == "once":
        # Only this original prints a line at the end of a client.
        common.report(options, address, "disconnected")
        # The socket leaves the list before it is closed: `select` raises
        # ValueError for a closed one.
        sockets.remove(connection)
        # Without this the addresses of all former clients would pile up.
        del addresses[connection]
        # The kernel ends the connection, and the number of the descriptor is
        # free for the next client.
        connection.close()


# An import of this file, as a test does it, starts no server.
if __name__ == "__main__":
    main()
