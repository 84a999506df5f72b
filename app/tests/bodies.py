"""Request bodies, good, bad and any, and how to send them."""

import json
from typing import TYPE_CHECKING

import httpx
from hypothesis import strategies as st

from covertype_api.decoder import MAX_ROWS
from covertype_api.schema import CATEGORIES, NUMBERS, RAW_COLUMNS, SAMPLE_ROW

if TYPE_CHECKING:
    from app.dependencies.service import Api

JSON = {"content-type": "application/json"}


def post(api: "Api", body: str | bytes, path: str = "/predict", headers: dict[str, str] = JSON) -> httpx.Response:
    """The response to a body."""
    return api.client.post(path, content=body, headers=headers)


def changed(**values: object) -> str:
    """A body with one row that differs from the sample; None drops a column."""
    row = {name: value for name, value in (SAMPLE_ROW | values).items() if value is not None}
    return json.dumps({"rows": [row]})


# Body, and the field that the response must name; None where it may name none.
BAD_BODIES = {
    "unknown area": (changed(Wilderness_Area="Yosemite"), "Wilderness_Area"),
    "unknown soil": (changed(Soil_Type="C0000"), "Soil_Type"),
    "area is a number": (changed(Wilderness_Area=1), "Wilderness_Area"),
    "NaN": (changed(Slope=float("nan")), "Slope"),
    "infinite": (changed(Slope=float("-inf")), "Slope"),
    "too large for a float": (changed().replace("2596", "1e999"), "Elevation"),
    "an integer of many digits": (changed().replace("2596", "9" * 400), "Elevation"),
    "out of float32": (changed(Aspect=1e300), "Aspect"),
    "just out of range": (changed(Aspect=-1_000_000.5), "Aspect"),
    "null": (changed().replace("2596", "null"), "Elevation"),
    "text": (changed(Aspect="51"), "Aspect"),
    "boolean": (changed(Aspect=True), "Aspect"),
    "list for a number": (changed(Aspect=[51]), "Aspect"),
    "extra column": (changed(Cover_Type=2), "Cover_Type"),
    "extra key": ('{"rows": [], "model": 1}', "rows"),
    "no rows key": ("{}", "rows"),
    "empty rows": ('{"rows": []}', "rows"),
    "rows is no list": ('{"rows": {}}', "rows"),
    "too many rows": (json.dumps({"rows": [SAMPLE_ROW] * (MAX_ROWS + 1)}), "rows"),
    "row is no object": ('{"rows": [1]}', "rows"),
    "list": ("[]", None),
    "empty": ("", None),
    "cut off": (changed()[:-5], None),
    "more after the end": (changed() + "{}", None),
    "not UTF-8": (b'{"rows": [{"Soil_Type": "\xff\xfe"}]}', None),
    "deep": ("[" * 20_000, None),
    "deep inside": ('{"rows": ' + "[" * 20_000, None),
} | {f"without {name}": (changed(**{name: None}), name) for name in RAW_COLUMNS}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ROWS = st.fixed_dictionaries(
    {name: st.floats(-1e6, 1e6) | st.integers(-1_000_000, 1_000_000) for name in NUMBERS}
    | {name: st.sampled_from(values) for name, values in CATEGORIES.items()}
)
ALMOST_ROWS = st.builds(
    lambda row, name, value: row | {name: value}, ROWS, st.sampled_from(list(SAMPLE_ROW)) | st.text(), JSON_VALUES
)
