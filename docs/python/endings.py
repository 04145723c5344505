"""How a connection ends: three experiments for a class.

    python3 docs/python/endings.py

In each of them one program is both server and client, over loopback: what it
means when `recv` returns nothing, what a reset destroys, and what becomes of a
client that is still sending.
"""

# Only sockets, and a thread for the server where both sides must act at once.
import socket
import threading

# A reply that the client's kernel cannot take at once.
MUCH = 1_000_000

# More than both kernels hold together: its sender must wait for the reader.
VERY_MUCH = 20_000_000


def main():
    """Runs the three experiments, and says what was seen."""
    recv_returns_nothing()
    what_a_reset_destroys()
    the_client_that_is_still_sending()


def connection():
    """Both ends of a new connection: the client's, and the server's."""
    # Any free port. The kernel completes the handshake before `accept`, so one
    # thread can do both.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def recv_returns_nothing():
    """Three causes, and only one of them is the client's doing."""
    # 1. When `recv` returns nothing
    # The client has sent its end of file. What it sent before comes first.
    client, server = connection()
    with client, server:
        # The half-close: the client will send no more, and could still receive.
        client.sendall(b"hola")
        client.shutdown(socket.SHUT_WR)
        show("the client has ended", server.recv(1024), server.recv(1024))

    # The server has shut down its own receiving side. The client does not
    # learn of it.
    client, server = connection()
    with client, server:
        # What has arrived by then comes first, and then nothing.
        client.sendall(b"before")
        server.shutdown(socket.SHUT_RD)
        first, second = server.recv(1024), server.recv(1024)
        # On Linux, what arrives later is delivered all the same.
        client.sendall(b"after")
        show("own SHUT_RD", first, second, server.recv(1024))

    # The server has asked for no bytes.
    client, server = connection()
    with client, server:
        # The bytes stay in the receive buffer, and the next `recv` takes them.
        client.sendall(b"hola")
        show("asked for 0 bytes", server.recv(0), server.recv(1024))


def show(cause, *received):
    """One line of the first experiment."""
    # In quotes, so that an empty text is seen, too.
    texts = ", then ".join(repr(data.decode()) for data in received)
    print(f"recv, {cause}: {texts}")


def what_a_reset_destroys():
    """A close with unread input: the reply that is still in the kernel."""
    # 2. What a reset destroys
    # First the close at once, then the half-close.
    for half_close_first in (False, True):
        # The client does not receive yet.
        client, server = connection()
        with client, server:
            # The client's byte waits in the server's receive buffer. The reply
            # fits into the two buffers on its way, so this `sendall` returns.
            client.sendall(b"x")
            server.sendall(bytes(MUCH))
            # A close with unread input sends a reset, and the kernel throws
            # away what is left of the reply. A half-close sends the end of
            # file behind the reply.
            if half_close_first:
                server.shutdown(socket.SHUT_WR)
            else:
                server.close()
            # Only now does the client begin to receive.
            count, end = receive_all(client)
        # The first client has received a part of the reply at most.
        how = "half-close" if half_close_first else "close at once"
        print(f"{how}: the client received {count} of {MUCH} bytes, then {end}")


def receive_all(client):
    """Counts what comes, and says how it ended."""
    # The end of file ends the loop, and so does a reset.
    count = 0
    try:
        while data := client.recv(65536):
            count += len(data)
    except ConnectionResetError as error:
        # What the client's kernel had received came before this error.
        return count, error.strerror
    # `recv` has returned nothing.
    return count, "the end of file"


def the_client_that_is_still_sending():
    """A client that fails in `sendall` does not look at the reply."""
    # 3. The client that is still sending
    # First a server like the original, which receives once, replies and
    # closes. Then one that receives all before it closes.
    for drain in (False, True):
        # A thread, since the client waits for the server.
        client, server = connection()
        thread = threading.Thread(target=serve, args=(server, drain))
        thread.start()
        with client:
            # The reply comes while `sendall` waits for the server to receive.
            try:
                client.sendall(bytes(VERY_MUCH))
                client.shutdown(socket.SHUT_WR)
                result = f"the reply {client.recv(1024).decode()!r}"
            except (ConnectionResetError, BrokenPipeError):
                # The reset has reached this client.
                result = "an error in sendall, and no reply"
        # The server has closed as well.
        thread.join()
        how = "drained" if drain else "closed at once"
        print(f"{how}: the client got {result}")


def serve(server, drain):
    """One exchange, with a close that waits for the client or does not."""
    # The end of the block closes the socket.
    with server:
        # At most 1024 of the client's many bytes, then the reply.
        server.recv(1024)
        server.sendall(b"hola")
        # The half-close, then all that still comes, until the end of file.
        if drain:
            server.shutdown(socket.SHUT_WR)
            while server.recv(65536):
                pass


# Not when another program imports this file.
if __name__ == "__main__":
    main()
