"""A small HTTP/1.1 server whose response is correct or wrong, as the path says: `python http_peer.py [ADDRESS]`.

It prints its port. It counts requests and connections; GET /counts returns them as JSON. It runs in a process of its
own, so that a test can stop it with SIGSTOP.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections import Counter

BODY = b'{"predictions":[2],"model_version":"1"}'
# What /slots can do: so many requests at a time, each of which takes so long; 100 a second.
SLOTS, SLOT_SECONDS = 2, 0.02
KEPT = b"HTTP/1.1 200 OK\r\nX-Served-By: peer/%d\r\nContent-Length: %d\r\n\r\n%b"


def whole(body: bytes = BODY, server: int = 1) -> bytes:
    """A good response that keeps the connection."""
    return KEPT % (server, len(body), body)


# Constant responses: (pieces, each written alone; whether the connection is closed after them).
FIXED = {
    "/length": ([whole()], False),
    "/pieces": ([bytes([byte]) for byte in whole()], False),
    "/lower-case": ([whole().replace(b"X-Served-By", b"x-served-by")], False),
    "/chunked": (
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5;name=value\r\n" + BODY[:5] + b"\r\n",
            b"%x\r\n" % len(BODY[5:]) + BODY[5:],
            b"\r\n0\r\nSome-Trailer: x\r\n\r\n",
        ],
        False,
    ),
    "/close": ([whole().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)], True),
    "/until-close": ([b"HTTP/1.1 200 OK\r\nX-Served-By: peer/1\r\n\r\n", BODY], True),
    "/http10": ([whole().replace(b"HTTP/1.1", b"HTTP/1.0")], True),
    "/continue": ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole()], False),
    "/moved": ([b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"], False),
    "/no-content": ([b"HTTP/1.1 204 No Content\r\n\r\n"], False),
    "/large": ([whole(BODY + b" " * 1_000_000)], False),
    "/status": ([b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"], False),
    "/wrong": ([whole(b'{"detail":"none"}')], False),
    "/garbage": ([b"SPAM SPAM SPAM\r\n\r\n"], False),
    "/bad-chunk": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nspam\r\n"], False),
    "/two-lengths": ([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nspams"], False),
    "/two-answers": ([whole() + whole()], False),
    "/trailing": ([whole() + b"spam"], False),
    "/upgrade": ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: spam\r\nConnection: upgrade\r\n\r\n"], False),
    "/cut": ([whole()[:-5]], True),
    "/cut-head": ([whole()[:30]], True),
    "/cut-chunk": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nspam"], True),
    "/nothing": ([], True),
    "/silent": ([], False),
    "/stall": ([whole()[:-5]], False),
}


class Peer:
    """Counts, and the responses that depend on earlier requests."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self.slots = asyncio.Semaphore(SLOTS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number, served = self.connections, 0
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            keep = True
            while keep:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path, length = head.split(" ", 2)[1], 0
                for line in head.split("\r\n")[1:]:
                    name, _, value = line.partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                if path != "/early":
                    body = await reader.readexactly(length)
                if path != "/counts":
                    self.requests[path] += 1
                served += 1
                keep = await self.answer(writer, path, b"" if path == "/early" else body, number, served)
                await writer.drain()
        writer.close()

    async def answer(self, writer, path: str, body: bytes, number: int, served: int) -> bool:
        """Whether the connection goes on."""
        if path in FIXED:
            pieces, close = FIXED[path]
            for piece in pieces:
                writer.write(piece)
                if len(pieces) > 1:
                    await writer.drain()
                    await asyncio.sleep(0.001)
            return not close
        if path == "/counts":
            counts = {"requests": dict(self.requests), "connections": self.connections}
            writer.write(whole(json.dumps(counts).encode()))
        elif path == "/echo":
            writer.write(whole(body, server=number % 2))
        elif path == "/fickle":
            # The response differs each time.
            writer.write(whole(b'{"predictions":[%d],"model_version":"1"}' % served))
        elif path == "/slow":
            await asyncio.sleep(0.05)
            writer.write(whole())
        elif path == "/slots":
            async with self.slots:
                await asyncio.sleep(SLOT_SECONDS)
            writer.write(whole())
        elif path == "/close-later":
            writer.write(whole())
            await writer.drain()
            await asyncio.sleep(0.05)
            return False
        elif path == "/timeout-later":
            writer.write(whole())
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        elif path == "/once":
            # The second request of a connection is read, and never gets a response.
            if served > 1:
                return False
            writer.write(whole())
        elif path == "/once-reset":
            if served > 1:
                reset(writer)
                return False
            writer.write(whole())
        elif path == "/once-late":
            if served > 1:
                await asyncio.sleep(0.5)
                return False
            writer.write(whole())
        elif path == "/reset":
            reset(writer)
            return False
        elif path == "/early":
            writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.3)
            return False
        elif path == "/endless":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()
        else:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return True


def reset(writer: asyncio.StreamWriter) -> None:
    """Make the close a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def main(address: str = "127.0.0.1") -> None:
    server = await asyncio.start_server(Peer().serve, address, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
