"""A way to a server of loopback that can be cut."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from app.dependencies.processes import free_port


@dataclass
class Relay:
    """A way to a server of loopback that can be cut: for its clients, the server is then gone."""

    target_port: int
    port: int = field(default_factory=free_port)

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Both ways, for as long as the block lasts; its end cuts every connection."""
        ends: list[socket.socket] = []
        listener = socket.create_server(("127.0.0.1", self.port))
        accepting = threading.Thread(target=self._accept, args=(listener, ends), daemon=True)
        accepting.start()
        try:
            yield
        finally:
            # Closing alone would not wake the thread that accepts.
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            listener.close()
            for end in ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, ends: list[socket.socket]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target_port))
            ends += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
