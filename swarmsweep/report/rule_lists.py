"""The section of summary.md on rules of thumb."""

from collections.abc import Sequence

from msgspec import Struct

from swarmsweep.choose.axis_pairs import SIZES
from swarmsweep.choose.rule import Rule
from swarmsweep.choose.rule_text import where_text, without_pairs
from swarmsweep.choose.scaling import Scaling
from swarmsweep.markdown import markdown

# Lines of a group. A page with more is not read, and summary.json has all.
MAX_RULES, MAX_SCALINGS, MAX_GAPS = 8, 4, 2


class RuleGroup(Struct, frozen=True):
    """The rules on cells of the same software, as text that is already safe in Markdown; ``where`` names it."""

    where: str
    lines: list[str]
    left_out: int


def rule_groups(rules: Sequence[Rule], scalings: Sequence[Scaling]) -> list[RuleGroup]:
    """The rules with a factor first, then the laws, then what is not known; empty where no axis has two values."""
    wheres = list(dict.fromkeys([where_text(rule.where) for rule in rules]))
    return [
        _group(
            where,
            [rule for rule in rules if where_text(rule.where) == where],
            [scaling for scaling in scalings if _where_of(scaling) == where],
        )
        for where in wheres
    ]


def _group(where: str, rules: list[Rule], scalings: list[Scaling]) -> RuleGroup:
    laws = sorted(scalings, key=lambda scaling: scaling.law is None)
    known = [rule for rule in rules if rule.factor is not None]
    alone = [rule.axis for rule in rules if rule.smaller is None]
    gaps = [rule for rule in rules if rule.smaller is not None and rule.factor is None]
    shown = [
        *(rule.sentence for rule in known[:MAX_RULES]),
        *(scaling.sentence for scaling in laws[:MAX_SCALINGS]),
        *(rule.sentence for rule in gaps[:MAX_GAPS]),
    ]
    left_out = len(known) + len(laws) + len(gaps) - len(shown)
    without = [without_pairs(alone)] if alone else []
    return RuleGroup(markdown(where), [markdown(line) for line in (*shown, *without)], left_out)


def _where_of(scaling: Scaling) -> str:
    return where_text({axis: value for axis, value in scaling.config.items() if axis not in SIZES})
