"""The options of the benchmark of the load generator."""

import pytest

from bench.generator import command


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--seconds", "99"], ["--seconds", "x"], ["--spam"]])
def test_wrong_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.parse(arguments)
    assert ended.value.code == 2
    assert "usage: ./lab bench generator" in capsys.readouterr().err
