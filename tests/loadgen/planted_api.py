"""A server with a planted limit of concurrency. Run: python planted_api.py PLANT; it prints its port.

Each request takes `SERVICE_SECONDS` in which no CPU works, as that of an API that calls another service.
"""

import queue
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVICE_SECONDS = 0.2
# The threads that AnyIO has, and so FastAPI for `def` endpoints; the connections of a small pool.
THREADS, CONNECTIONS = 40, 5


class Backend(socketserver.BaseRequestHandler):
    """The service behind the pool of connections: responds to each byte."""

    def handle(self) -> None:
        while byte := self.request.recv(1):
            time.sleep(SERVICE_SECONDS)
            self.request.sendall(byte)


def in_threads() -> Callable[[], None]:
    """Work in a pool of threads."""
    pool = ThreadPoolExecutor(THREADS)
    return lambda: pool.submit(time.sleep, SERVICE_SECONDS).result()


def in_pool() -> Callable[[], None]:
    """Work on one of the connections to another service."""
    backend = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    pool: queue.Queue[socket.socket] = queue.Queue()
    for _ in range(CONNECTIONS):
        pool.put(socket.create_connection(backend.server_address))

    def work() -> None:
        connection = pool.get()
        connection.sendall(b".")
        connection.recv(1)
        pool.put(connection)

    return work


def in_lock() -> Callable[[], None]:
    """One request after the other."""
    lock = threading.Lock()

    def work() -> None:
        with lock:
            time.sleep(SERVICE_SECONDS)

    return work


PLANTS = {"threads": in_threads, "pool": in_pool, "lock": in_lock, "free": lambda: lambda: time.sleep(SERVICE_SECONDS)}


def main(plant: str) -> None:
    """Serve until killed."""
    work = PLANTS[plant]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            work()
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # All users connect at once.
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
