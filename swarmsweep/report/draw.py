"""A chart as SVG, for a file or within a page. It is light or dark as the page is, and screen readers get its name."""

import re
from xml.sax.saxutils import quoteattr

from swarmsweep.charts.style import DARK, Spec

# The version of Vega-Lite within vl-convert; `style.SCHEMA` has its first number.
VEGA_LITE = "6.4"
_ROOT = re.compile(r"<svg\b")
# Parts of a drawing refer to others by id. Several drawings in one page need different ids.
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def svg(spec: Spec, name: str) -> str:
    """SVG text. ``name`` is unique in the page."""
    # Here, because it starts V8, the engine that runs Vega: only a report draws.
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    label = quoteattr(str(spec["description"]))
    drawn = _ID.sub(rf"\g<1>{name}-", drawn)
    head, tail = _ROOT.split(drawn, maxsplit=1)
    opening, rest = tail.split(">", maxsplit=1)
    return f'{head}<svg role="img" aria-label={label}{opening}><style>{dark_style()}</style>{rest}\n'


def dark_style() -> str:
    """Rules that replace each colour of a chart on a dark screen. Paper is white."""
    rules = "".join(
        f'svg [fill="{light}"]{{fill:{dark}}}svg [stroke="{light}"]{{stroke:{dark}}}' for light, dark in DARK.items()
    )
    return f"@media screen and (prefers-color-scheme: dark){{{rules}}}"
