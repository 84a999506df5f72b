"""Jinja templates of the package. Callers pass text that is already safe for Markdown; SVG is escaped here."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(enabled_extensions=("svg.j2",), default=False),
    undefined=StrictUndefined,  # a misspelt name is an error, and not an empty place in the report
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(name: str, values: Mapping[str, object]) -> str:
    """Text of the template ``name`` with ``values``."""
    return _ENVIRONMENT.get_template(name).render(values)
