"""Python's standard library: socketserver as an echo server.

server.py threading|forking --once|--until-eof
"""

import socketserver
import sys

BUFFER_SIZE = 1024


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(BUFFER_SIZE):
            self.request.sendall(data)
            if once:
                break


class Threading(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024  # as every other peer; its own is 5


class Forking(socketserver.ForkingTCPServer):
    max_children = 65536  # its own is 40; the 41st client would wait
    request_queue_size = 1024


once = "--once" in sys.argv[2:]
model = {"threading": Threading, "forking": Forking}[sys.argv[1]]
with model(("127.0.0.1", 0), Echo) as server:
    port = server.server_address[1]
    print(f"peer listening on 127.0.0.1:{port}", flush=True)
    server.serve_forever()
