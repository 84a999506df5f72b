"""From the bytes of a request to checked rows."""

import json
import math
import re
from typing import Annotated, Literal

import msgspec

from covertype_api.errors import InvalidBodyError
from covertype_api.schema import CATEGORIES, SOIL_TYPES, WILDERNESS_AREAS

# One request may keep a worker busy for some ten milliseconds, not longer.
MAX_ROWS = 1000
# Room for MAX_ROWS rows written with generous spacing.
MAX_BODY_BYTES = 1024 * 1024

# Far beyond any metre or degree of the data, and well inside float32, so that no feature can become infinite.
LARGEST_NUMBER = 1e6
Number = Annotated[float, msgspec.Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]


class Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One patch of forest, in the raw columns of Covertype; the order of the fields is that of ``RAW_COLUMNS``."""

    Elevation: Number
    Aspect: Number
    Slope: Number
    Horizontal_Distance_To_Hydrology: Number
    Vertical_Distance_To_Hydrology: Number
    Horizontal_Distance_To_Roadways: Number
    Hillshade_9am: Number
    Hillshade_Noon: Number
    Hillshade_3pm: Number
    Horizontal_Distance_To_Fire_Points: Number
    Wilderness_Area: Literal[WILDERNESS_AREAS]
    Soil_Type: Literal[SOIL_TYPES]


class Rows(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of a request."""

    rows: Annotated[list[Row], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class MsgspecDecoder:
    """Decodes and checks in one pass, in C."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Rows).decode

    def decode(self, body: bytes) -> list[Row]:
        """Rows of a body.

        Raises:
            InvalidBodyError: not JSON, or not rows of Covertype.
        """
        try:
            return self._decode(body).rows
        except msgspec.ValidationError as error:
            raise _explain(str(error)) from None
        # Bad UTF-8 and absurd nesting raise errors of their own.
        except (ValueError, RecursionError) as error:
            raise explain_malformed(body, str(error)) from None


def _explain(message: str) -> InvalidBodyError:
    """Turn msgspec's "Expected `float`, got `str` - at `$.rows[0].Slope`" into a path and a reason."""
    text, _, path = message.partition(" - at `$")
    loc: list[str | int] = [
        int(index) if index else name for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path.rstrip("`"))
    ]
    named = re.search(r"(?:required|unknown) field `(.*)`", text, re.DOTALL)
    if named:
        loc.append(named[1])
    if loc and loc[-1] in CATEGORIES and "enum value" in text:
        text += f"; allowed: {', '.join(CATEGORIES[loc[-1]])}"
    return InvalidBodyError(loc, text)


def explain_malformed(body: bytes, message: str) -> InvalidBodyError:
    """Bodies that are not JSON. NaN and Infinity are the usual reason, because Python's own ``json`` writes them."""
    try:
        rows = json.loads(body)["rows"]
        for number, row in enumerate(rows):
            for field, value in row.items():
                if isinstance(value, float) and not math.isfinite(value):
                    return InvalidBodyError(["rows", number, field], f"{value} is not a number that JSON allows")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return InvalidBodyError([], message or "the body is not JSON")
