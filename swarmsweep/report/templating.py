"""Jinja templates of the package. Callers of the Markdown ones pass text that is already safe there.

In HTML, each value is escaped. The filter ``marked`` turns the marks of Markdown-safe text into tags.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from swarmsweep.files import read_text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FOLDER = Path(__file__).parent / "templates"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
    undefined=StrictUndefined,  # a misspelt name is an error, and not an empty place in the report
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(name: str, values: Mapping[str, object]) -> str:
    """Text of the template ``name`` with ``values``."""
    return _ENVIRONMENT.get_template(name).render(values)


def template_text(name: str) -> str:
    """A file beside the templates, as it is."""
    return read_text(_FOLDER / name)


def marked(text: str) -> Markup:
    """HTML of text that is safe in Markdown: bold, code, escapes and entities. There are no links and no other tags."""
    return Markup(_inline().renderInline(text))


@cache
def _inline() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # here: its import takes time, and only a report needs it

    return MarkdownIt("zero", {"html": False}).enable(["escape", "entity", "emphasis", "backticks"])


_ENVIRONMENT.filters["marked"] = marked
