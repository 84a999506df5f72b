"""The same checks as decoder.py, by Pydantic: what FastAPI does for an endpoint with a model as its argument."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from covertype_api.decoder import LARGEST_NUMBER, MAX_ROWS, Row, explain_malformed
from covertype_api.errors import InvalidBodyError
from covertype_api.schema import CATEGORIES, NUMBERS

# Strict: "51" and true are no numbers.
STRICT = ConfigDict(extra="forbid", strict=True)
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)]

RowModel = create_model(
    "RowModel",
    __config__=STRICT,
    **dict.fromkeys(NUMBERS, (Number, ...)),
    **{name: (Literal[values], ...) for name, values in CATEGORIES.items()},
)


class RowsModel(BaseModel):
    """The body of a request."""

    model_config = STRICT
    rows: Annotated[list[RowModel], Field(min_length=1, max_length=MAX_ROWS)]


class PydanticDecoder:
    """Decodes and checks with a Pydantic model."""

    def decode(self, body: bytes) -> list[Row]:
        """Rows of a body.

        Raises:
            InvalidBodyError: not JSON, or not rows of Covertype.
        """
        try:
            return [Row(**dict(row)) for row in RowsModel.model_validate_json(body).rows]
        except ValidationError as error:
            raise _explain(body, error) from None


def _explain(body: bytes, error: ValidationError) -> InvalidBodyError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return explain_malformed(body, first["msg"])
    return InvalidBodyError(list(first["loc"]), first["msg"])
