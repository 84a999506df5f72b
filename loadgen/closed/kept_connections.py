"""Lets FastHttpUser keep its connections where a process has more than 1,024 open files.

Its client (geventhttpclient) asks ``select`` whether an idle connection is alive. ``select`` refuses a file whose
number is 1,024 or more, and the client takes this for a closed connection. So in a worker with more than about 1,000
users, most requests would open a connection of their own. ``poll`` has no such limit.
"""

import select

import gevent.monkey
import gevent.socket
from geventhttpclient.connectionpool import ConnectionPool

# Gevent's own poll switches to other users. This one returns at once.
_poll = gevent.monkey.get_original("select", "poll")


def _is_alive(_pool: ConnectionPool, sock: gevent.socket.socket | None) -> bool:
    """Whether an idle connection is open. One that can be read has ended, or has data that no request asked for."""
    if sock is None or sock.fileno() < 0:
        return False
    asked = _poll()
    asked.register(sock.fileno(), select.POLLIN)
    return not asked.poll(0)


def keep_connections() -> None:
    """Keep all connections of FastHttpUser in this process from now on."""
    # A later version of the client may ask in another way.
    if not hasattr(ConnectionPool, "_is_socket_alive"):
        raise RuntimeError("geventhttpclient has no _is_socket_alive: adapt loadgen/closed/kept_connections.py")
    ConnectionPool._is_socket_alive = _is_alive
