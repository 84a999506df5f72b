"""What /openapi.json says of bodies, which FastAPI cannot see because decoders of our own check them."""

from typing import Any

import msgspec
from fastapi import FastAPI

from covertype_api.decoder import MAX_BODY_BYTES, Row, Rows


class Prediction(msgspec.Struct):
    """Classes 1 to 7 in the order of the rows, and the model that gave them."""

    predictions: list[int]
    model_version: str


class Prepared(msgspec.Struct):
    """Shape of what a model would have got."""

    rows: int
    features: int


SUMMARIES = {
    "/predict": "Cover type, 1 to 7, of each row.",
    "/normalize": "Parses and prepares rows, without a model.",
}
REFUSALS = {
    "413": f"The body is larger than {MAX_BODY_BYTES} bytes",
    "415": "The content type is not JSON",
    "422": "The body is not rows of Covertype. `detail` names the field",
    "503": "The API is not ready. `waiting_for` says why",
}


def describe(app: FastAPI) -> None:
    """Complete the document that FastAPI generates."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = generate()
        bodies, components = msgspec.json.schema_components(
            [Rows, Prediction, Prepared, Row], ref_template="#/components/schemas/{name}"
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(components)
        for path, body in (("/predict", bodies[1]), ("/normalize", bodies[2])):
            operation = document["paths"][path]["post"]
            operation["description"] = SUMMARIES[path]
            operation.pop("parameters", None)
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": bodies[0]}}}
            responses = {"200": {"description": "Done", "content": {"application/json": {"schema": body}}}}
            operation["responses"] = responses | {code: {"description": text} for code, text in REFUSALS.items()}
        document["paths"]["/ready"]["get"]["responses"]["503"] = {"description": "Not ready"}
        return document

    app.openapi = openapi
