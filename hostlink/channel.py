"""A process on a host whose input and output are streams, over the connection of an Ansible action.

Ansible itself keeps the whole input and output of a command in memory, and returns them when it has ended.
"""

from __future__ import annotations

import contextlib
import getpass
import io
import shlex
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from swarmsweep.errors import LabError

# What ends the lines that only sudo reads. The program on the host gets what comes after this line.
END_OF_PREAMBLE = b"swarmsweep-begin\n"
# How much of a program's errors is kept for a message.
ERROR_BYTES = 4000
# The last lines of a build name the cause.
LAST_LINES = 20
# How much is read and sent at a time.
PART_BYTES = 1 << 20
# A longer line is read in parts, because a host may send bytes without end and without a newline. The longest message
# of hostlink/log_program.py has about 100 kB.
LINE_BYTES = 1 << 18


class ChannelError(LabError):
    """The host cannot be reached in this way. The text has the cause and the fix."""


def argv_on_host(connection: Any, command: str, *, plain: bool = False) -> list[str]:
    """Return the words that run a shell command on the host of an Ansible connection.

    Args:
        connection: of the action. Ansible has run a task over it, so that ssh finds an open connection.
        command: for the shell of the host.
        plain: use a connection of its own that does not compress. It needs a key, and the host must be near.

    Raises:
        ChannelError: the connection is not ssh or local.
    """
    kind = connection.transport
    if kind == "local":
        return ["/bin/sh", "-c", command]
    if kind != "ssh":
        raise ChannelError(
            f"the connection of this host is '{kind}'; allowed: ssh, local. "
            "Set ansible_connection: ssh in hosts.yml of the inventory"
        )
    host = connection.get_option("host")
    built = connection._build_command(connection.get_option("ssh_executable"), "ssh", host, command)
    words = [word.decode() if isinstance(word, bytes) else word for word in built]
    if plain:
        # ssh uses the first value that it gets for an option, but -C always compresses.
        words = [*(word for word in words[:-1] if word != "-C"), words[-1]]
        place = words.index(connection.get_option("ssh_executable")) + 1
        words[place:place] = ["-o", "ControlPath=none", "-o", "ControlMaster=no", "-o", "Compression=no"]
    return words


def with_privilege(connection: Any, command: str) -> tuple[str, bytes]:
    """Return a command that runs as root on the host, and what must be written to its input first.

    Raises:
        ChannelError: the user becomes root by another way than sudo.
    """
    become = connection.become
    user = connection.get_option("remote_user") if connection.transport == "ssh" else getpass.getuser()
    if become is None or user == "root":
        # The user's own shell may be another one, as in Ansible's own commands.
        return f"/bin/sh -c {shlex.quote(command)}", b""
    if become.name not in ("sudo", "ansible.builtin.sudo"):
        raise ChannelError(
            f"become_method is '{become.name}'; allowed: sudo. "
            "Set ansible_become_method: sudo in hosts.yml of the inventory"
        )
    password = become.get_option("become_pass")
    if not password:
        return f"sudo -n -- sh -c {shlex.quote(command)}", b""
    # sudo reads the password only if it needs one. The loop discards what it leaves, and stops at the mark.
    mark = END_OF_PREAMBLE.decode().strip()
    inner = f'while IFS= read -r line; do [ "$line" = {mark} ] && break; done; {command}'
    return f"sudo -S -p '' -- sh -c {shlex.quote(inner)}", f"{password}\n".encode() + END_OF_PREAMBLE


class Channel:
    """A command on a host, with its streams. Use it in ``with``: it ends the local process at the end."""

    def __init__(self, connection: Any, command: str, *, plain: bool = False) -> None:
        command, self._preamble = with_privilege(connection, command)
        self._argv = argv_on_host(connection, command, plain=plain)
        self._errors = b""
        self._errors_reader: threading.Thread | None = None
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Channel:
        self.process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._write(self._preamble)
        return self

    def __exit__(self, *_: object) -> None:
        # The program on the host ends when its input does.
        with contextlib.suppress(OSError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def lines(self) -> Iterator[str]:
        """Yield the lines of the output as they come."""
        assert self.process.stdout is not None
        self._read_errors()
        for line in lines_of(self.process.stdout):
            yield line.decode(errors="replace").rstrip("\n")

    def send(
        self,
        parts: Iterable[bytes],
        on_sent: Callable[[int], None] = lambda _: None,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> tuple[int, list[str]]:
        """Write all parts, and return the exit code and the last lines of output and errors.

        ``on_sent`` gets the number of bytes sent so far, and ``on_line`` each line as it comes. A command that ends
        early breaks the pipe: its last lines say why.
        """
        last: deque[str] = deque(maxlen=LAST_LINES)

        def read(stream: IO[bytes]) -> None:
            for line in lines_of(stream):
                text = line.decode(errors="replace").rstrip()
                last.append(text)
                on_line(text)

        assert self.process.stdout is not None
        assert self.process.stderr is not None
        readers = [
            threading.Thread(target=read, args=(stream,), daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in readers:
            reader.start()
        with contextlib.suppress(BrokenPipeError):
            sent = 0
            for part in parts:
                self._stdin.write(part)
                sent += len(part)
                on_sent(sent)
            self._stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        for reader in readers:
            reader.join()
        return self.process.wait(), [text for text in last if text]

    def parts(self) -> Iterator[bytes]:
        """Yield the output in parts."""
        assert isinstance(self.process.stdout, io.BufferedReader)
        self._read_errors()
        while part := self.process.stdout.read1(PART_BYTES):
            yield part

    def ended(self) -> tuple[int, str]:
        """Wait for the end after the whole output was read, and return exit code and the end of the errors."""
        self._read_errors().join()
        return self.process.wait(), self._errors.decode(errors="replace").strip()

    def _read_errors(self) -> threading.Thread:
        """Read the errors beside the output. A program stops when the pipe of its errors is full."""
        if self._errors_reader is None:
            self._errors_reader = threading.Thread(target=self._keep_errors, daemon=True)
            self._errors_reader.start()
        return self._errors_reader

    def _keep_errors(self) -> None:
        """Keep the end of the errors."""
        assert isinstance(self.process.stderr, io.BufferedReader)
        while part := self.process.stderr.read1(PART_BYTES):
            self._errors = (self._errors + part)[-ERROR_BYTES:]

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(data)
            self._stdin.flush()


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines as they come, a long one in parts of LINE_BYTES."""
    while line := stream.readline(LINE_BYTES):
        yield line
