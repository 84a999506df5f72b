"""Which warnings are shown, in the words of ansible-core 2.19."""

from swarmsweep.report.warning_text import SHOWN_WARNINGS, WARNING_CHARACTERS, Warnings


def test_a_warning_is_its_first_line_once():
    warnings = Warnings()
    message = "[WARNING]: mind this\nOrigin: /x.yml:3:5\n\n3 - name: y"
    assert [warnings.shown(message) for _ in range(3)] == ["[WARNING]: mind this", None, None]
    assert warnings.hidden == 0


def test_a_long_warning_is_cut():
    assert Warnings().shown("[WARNING]: " + "x" * 1000) == ("[WARNING]: " + "x" * 1000)[:WARNING_CHARACTERS] + " ..."


def test_of_many_the_first_are_shown_and_the_others_counted():
    warnings = Warnings()
    shown = [warnings.shown(f"[WARNING]: number {number}") for number in range(SHOWN_WARNINGS + 3)]
    assert shown == [*(f"[WARNING]: number {number}" for number in range(SHOWN_WARNINGS)), None, None, None]
    assert warnings.hidden == 3


def test_deprecations_are_not_shown():
    warnings = Warnings()
    for message in (
        "[DEPRECATION WARNING]: The feature x is deprecated. This feature will be removed in version 2.23.",
        "[WARNING]: Deprecation warnings can be disabled by setting `deprecation_warnings=False` in ansible.cfg.",
    ):
        assert warnings.shown(message) is None
    assert warnings.hidden == 0
