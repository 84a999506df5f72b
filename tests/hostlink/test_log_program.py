"""The program that reads logs on a host: files that grow, also by a line without an end."""

import json

import pytest

from hostlink import log_program

# A log is read in parts of this size, so that the test needs no large file.
TAIL_BYTES = 100


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"one\ntwo\nthr", ["one", "two"]),
        (b"x" * 250 + b"\nend\n", ["x" * TAIL_BYTES, "x" * TAIL_BYTES, "x" * 50, "end"]),
        (b"begin\n" + b"x" * 150, ["begin", "x" * TAIL_BYTES]),
    ],
    ids=["incomplete line", "long line", "line without an end"],
)
def test_all_that_is_appended_is_shown(tmp_path, monkeypatch, capsys, written, shown):
    monkeypatch.setattr(log_program, "TAIL_BYTES", TAIL_BYTES)
    path = tmp_path / "master.log"
    path.write_bytes(written)
    before = None
    for _ in range(5):
        before = log_program.read_more(path, before, None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"from": "master", "text": text} for text in shown]
