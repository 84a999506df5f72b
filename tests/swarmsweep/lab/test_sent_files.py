"""The listing of programs on a host: what a shell prints, with the lines that sudo and start-up files add."""

import subprocess

import pytest

from swarmsweep.lab import sent_files

FOLDERS = ("", "pack")
# sudo prints a newline after a password, and may warn. A start-up file of the shell prints without one at its end.
NOISE = "\r\nsudo: unable to resolve host lab-api: Name or service not known\r\ndata is /srv\r\none two\r\nwelcome"


@pytest.fixture
def host(tmp_path):
    """The folder of a host, and the files that belong there."""
    (tmp_path / "host/pack").mkdir(parents=True)
    (tmp_path / "host/pack").chmod(0o755)
    files = {}
    for name in ("entry.py", "pack/one.py"):
        files[name] = tmp_path / "host" / name
        files[name].write_text(name)
        files[name].chmod(0o644)
    return tmp_path / "host", files


def printed(folder) -> str:
    command = sent_files.list_programs(str(folder), FOLDERS)
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("noise", ["", NOISE])
def test_other_lines_change_nothing(host, noise):
    folder, files = host
    output = noise + printed(folder).replace("\n", "\r\n" if noise else "\n")
    lines = sent_files.listed_lines(output)
    assert lines == sent_files.listing(files)
    assert sent_files.stale_programs(lines, files, FOLDERS) == []


def test_only_programs_of_the_folders_are_removed(host):
    folder, files = host
    for name in ("gone.py", "pack/gone.py"):
        (folder / name).write_text("")
    (folder / "pack/notes.txt").write_text("")
    lines = sent_files.listed_lines(printed(folder))
    # As another program could print them.
    lines |= {"f 644 /etc/hosts.py", "f 644 ../up.py", "f 644 notes.txt", "d 755 /", "l 777 other/x.py"}
    assert sent_files.stale_programs(lines, files, FOLDERS) == ["gone.py", "pack/gone.py"]


@pytest.mark.parametrize(
    ("stdout", "stderr", "cause"),
    [
        ("", "tar: No space left on device\n", "tar: No space left on device"),
        # With a terminal.
        (
            "tar: No space left on device\r\n",
            "Shared connection to 198.18.0.12 closed.\r\n",
            "tar: No space left on device",
        ),
        ("f 644 entry.py\n", "find: denied\n", "find: denied"),
    ],
)
def test_the_cause_of_a_failure_is_not_hidden(stdout, stderr, cause):
    assert sent_files.failure_text(stdout, stderr) == cause
