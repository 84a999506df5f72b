"""Requests the word that identifies the lab's own HAProxy, as the load would: as its user, through its firewall."""

from __future__ import annotations

import hmac
import os
import pwd
import socket
import time
from urllib.parse import urlsplit

# HAProxy returns it itself, see roles/platform/templates/haproxy.cfg.j2.
WORD_PATH = "/.swarmsweep/word"
# For the connection and the whole response. A proxy that takes longer cannot be measured.
WORD_SECONDS = 5
# Header and word take about a hundred bytes.
WORD_BYTES = 4096
WORD_TRIES = 3


def why_not_loaded(target: str, word: str, user: str) -> str | None:
    """Return why ``user`` may not load the URL ``target``, with the fix. None if it returns the lab's word."""
    try:
        pwd.getpwnam(user)
    except LookupError:
        return f"the user {user}, which sends the load to {target}, does not exist on this host. Run: ./lab site"
    problem = request_word(target, word, user)
    if problem is None:
        return None
    if os.geteuid() == 0 and request_word(target, word, "root") is None:
        return (
            f"the firewall of this host does not let the user {user} connect to {target}, although root reaches "
            f"the lab's proxy there: {problem}. "
            "The address of a host, or lab_proxy_port, was changed after ./lab site. Run: ./lab site"
        )
    return (
        f"{target} is not this lab's proxy, so it gets no load: {problem}. "
        "Correct ansible_host of the API host in the inventory, or run: ./lab site"
    )


def request_word(target: str, word: str, user: str) -> str | None:
    """Return None if the proxy at the URL ``target`` returns the lab's word to ``user``, else what it returned."""
    parts = urlsplit(target)
    problem = ""
    for attempt in range(WORD_TRIES):
        if attempt:
            time.sleep(1)
        try:
            response = fetch_as(user, parts.hostname, parts.port or 80)
        except OSError as error:
            problem = f"{WORD_PATH} gave no response ({error})"
            continue
        head, _, body = response.partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0][:80].decode("latin-1")
        if " 200" not in status:
            return f"{WORD_PATH} gave '{status}'"
        if not hmac.compare_digest(body.strip(), word.encode("ascii")):
            return f"{WORD_PATH} did not return this lab's identifier, so another lab may run there"
        return None
    return problem


def fetch_as(user: str, host: str, port: int) -> bytes:
    """Run ``fetch`` as this user if root calls it, otherwise as the caller.

    Raises:
        OSError: no response.
        LookupError: this host has no such user.
    """
    account = pwd.getpwnam(user)
    if os.geteuid() != 0 or account.pw_uid == 0:
        return fetch(host, port)
    reader, writer = os.pipe()
    # The kernel matches packets by the user of the process that owns the socket, so another process connects.
    child = os.fork()
    if child == 0:
        outcome = b"-it ended without a result"
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            outcome = b"+" + fetch(host, port)
        except OSError as error:
            outcome = b"-" + str(error).encode()
        finally:
            # The output is smaller than a pipe's buffer. The child runs nothing of the parent's, not even its exit.
            os.write(writer, outcome)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        outcome = pipe.read()
    os.waitpid(child, 0)
    if outcome[:1] != b"+":
        raise OSError(outcome[1:].decode(errors="replace"))
    return outcome[1:]


def fetch(host: str, port: int) -> bytes:
    """Return the first bytes of the response to one GET, without redirects and proxies. Raises OSError."""
    deadline = time.monotonic() + WORD_SECONDS
    name = f"[{host}]" if ":" in host else host
    with socket.create_connection((host, port), WORD_SECONDS) as connection:
        connection.sendall(f"GET {WORD_PATH} HTTP/1.0\r\nHost: {name}:{port}\r\n\r\n".encode("ascii"))
        response = b""
        while len(response) < WORD_BYTES:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"not complete after {WORD_SECONDS} s")
            connection.settimeout(left)
            part = connection.recv(WORD_BYTES)
            if not part:
                break
            response += part
    return response
