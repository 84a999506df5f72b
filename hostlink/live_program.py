"""Program for a host: print a small file again each time that it changes, until its input ends.

The controller sends this file as text, so it needs Python's standard library alone. It runs as root beside a load, and
the folder belongs to the user of the load. So it opens no link, and only a file of the folder's owner.
"""

import os
import select
import stat
import sys
import time
from pathlib import Path

# The file is looked at this often: a few system calls.
LOOK_SECONDS = 0.25
# A longer file is not one that the load generator wrote.
MAX_BYTES = 4096


def changed(path, before):
    """Return (what identifies the content, the content) of a file; None for what has not changed or is not allowed."""
    try:
        found = path.lstat()
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        if mark == before or not stat.S_ISREG(found.st_mode):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode) or opened.st_uid != path.parent.stat().st_uid:
            return None
        content = os.read(descriptor, MAX_BYTES + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return (mark, content) if len(content) <= MAX_BYTES else None


def input_ended(seconds):
    """Wait, and return whether the input has ended."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 4096)


def main():
    """Arguments: the file, and the seconds after which to end in any case."""
    path, end = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    before = None
    while time.monotonic() < end and not input_ended(LOOK_SECONDS):
        found = changed(path, before)
        if found:
            before, content = found
            os.write(1, b" ".join(content.split()) + b"\n")


if __name__ == "__main__":
    main()
