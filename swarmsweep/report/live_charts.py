"""What makes the charts of summary.html live: Vega as one script, which needs no network, and the page's own script."""

import base64
import contextlib
import gzip
import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

from swarmsweep.charts.style import Spec
from swarmsweep.errors import LabError
from swarmsweep.files import read_text, write_atomically
from swarmsweep.report.draw import VEGA_LITE
from swarmsweep.report.pictures import Picture
from swarmsweep.report.templating import template_text

# The one name that page.js uses.
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Bundling takes 2 s, so each installation does it once."""
    import vl_convert

    release = version("vl-convert-python")
    kept = Path(sys.prefix) / "share" / "swarmsweep" / f"vega-{release}-{VEGA_LITE}.js"
    if kept.is_file():
        return read_text(kept)
    script: str = vl_convert.javascript_bundle(_SNIPPET, vl_version=VEGA_LITE)
    if sys.prefix != sys.base_prefix:
        # The environment may belong to another user. Then the next report bundles again.
        with contextlib.suppress(LabError, OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, script)
    return script


def packed(text: str) -> str:
    """A script or data as the page holds it: compressed, in letters and digits, which nothing in it can end."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def page_script() -> str:
    """The page's own script."""
    return template_text("page.js")


def hash_of(script: str) -> str:
    """A script as the Content-Security-Policy of a page allows it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def chart_data(pictures: list[Picture], anchors: dict[str, str]) -> str:
    """The charts as packed JSON. ``anchors`` are the sections of the cells by the ids of the cells."""
    specs = {picture.name: _with_zoom(picture.spec) if picture.can_zoom else picture.spec for picture in pictures}
    data = {"charts": specs, "sections": anchors}
    return packed(json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _with_zoom(spec: Spec) -> Spec:
    """With Ctrl, the wheel zooms: without, it must scroll the page. The drawing in a file lacks this.

    A drawing that can be zoomed cuts off labels at its edge.
    """
    zoom = {"type": "interval", "zoom": "wheel![event.ctrlKey]"}
    first, *others = spec["layer"]
    param = {"name": "zoomed", "select": zoom, "bind": "scales"}
    return spec | {"layer": [first | {"params": [param]}, *others]}
