"""Python's standard library: an echo server in three models.

server.py threading|forking|multiprocessing --once|--until-eof [--cpu-work N]

With --cpu-work each message costs N microseconds of processor time before
its reply, as it does with our own servers.
"""

import argparse
import multiprocessing
import socketserver
import time

BUFFER_SIZE = 1024


def work(microseconds):
    """Burns processor time of this thread, in Python: it holds the GIL."""
    end = time.thread_time_ns() + microseconds * 1000
    while time.thread_time_ns() < end:
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(BUFFER_SIZE):
            if options.cpu_work:
                work(options.cpu_work)
            self.request.sendall(data)
            if options.once:
                break


class Threading(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024  # as every other peer; its own is 5


class Forking(socketserver.ForkingTCPServer):
    max_children = 65536  # its own is 40; the 41st client would wait
    request_queue_size = 1024


class Multiprocessing(socketserver.TCPServer):
    """A multiprocessing.Process for each connection, with an interpreter,
    and so a GIL, of its own."""

    request_queue_size = 1024
    fork = multiprocessing.get_context("fork")  # no longer the default

    def process_request(self, request, client_address):
        process = self.fork.Process(
            target=self.finish_request,
            args=(request, client_address),
            daemon=True,
        )
        process.start()
        request.close()  # here; the child has its own
        self.fork.active_children()  # reaps those that have ended


models = {
    "threading": Threading,
    "forking": Forking,
    "multiprocessing": Multiprocessing,
}
parser = argparse.ArgumentParser()
parser.add_argument("model", choices=models)
serve = parser.add_mutually_exclusive_group(required=True)
serve.add_argument("--once", action="store_true")
serve.add_argument("--until-eof", action="store_true")
parser.add_argument("--cpu-work", type=int, default=0)
options = parser.parse_args()
with models[options.model](("127.0.0.1", 0), Echo) as server:
    port = server.server_address[1]
    print(f"peer listening on 127.0.0.1:{port}", flush=True)
    server.serve_forever()
