"""The requests of an OpenAPI document (Swagger 2.0, OpenAPI 3): which operations a first scenario sends."""

import re
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.starter.operation import OperationReader
from swarmsweep.starter.request import Api, one_line

# Operations that an error names.
MAX_NAMED = 5
# Paths at which an API predicts. Its load is what a sweep is about.
_PREDICTS = re.compile(
    r"predict|infer|invocation|classif|score|embed|generat|complet|rank|detect|translat|recogni|segment|recommend", re.I
)
# Paths that say whether the API runs, the best first.
_READY = ("ready", "readyz", "readiness", "health", "healthz", "healthcheck", "live", "livez", "ping", "status")
# Paths about the API itself.
_ABOUT = re.compile(r"/(docs|redoc|openapi\.json|swagger|metrics|favicon\.ico|version|info)\b", re.I)


def api_of(document: dict[str, Any], source: str, operation: str | None = None) -> Api:
    """The API: the operations that predict, else those that post, else those that get.

    Args:
        document: see `read_document`.
        source: for messages.
        operation: the only one to send, as "POST /predict".

    Raises:
        InputError: no operation, or not the one that was named.
    """
    reader = OperationReader(document)
    operations = list(reader.operations())
    titles = [f"{method.upper()} {path}" for method, path, _, _ in operations]
    if not operations:
        raise InputError(f"{source}: has no operation; allowed: paths with get, post or another method")
    if operation is not None:
        wanted = " ".join(operation.split())
        chosen = [index for index, title in enumerate(titles) if title.lower() == wanted.lower()]
        if not chosen:
            more = f", and {len(titles) - MAX_NAMED} more" if len(titles) > MAX_NAMED else ""
            named = ", ".join(map(one_line, titles[:MAX_NAMED]))
            raise InputError(f"{source}: has no operation '{operation}'; allowed: {named}{more}")
    else:
        chosen = _chosen([(method, path) for method, path, _, _ in operations])
    requests = tuple(reader.request(*operations[index]) for index in chosen)
    others = tuple(title for index, title in enumerate(titles) if index not in chosen)
    title = document.get("info", {}).get("title") if isinstance(document.get("info"), dict) else None
    return Api(
        name=str(title or "api"),
        source=source,
        requests=requests,
        others=others,
        port=reader.port(),
        ready_path=_ready_path([(method, path) for method, path, _, _ in operations], reader.base),
    )


def _chosen(operations: list[tuple[str, str]]) -> list[int]:
    """Which operations a first scenario sends. Others than POST and GET only if the document has no POST and no GET."""
    kinds = (
        lambda method, path: method == "post" and _PREDICTS.search(path),
        lambda method, path: method == "get" and _PREDICTS.search(path),
        lambda method, path: method == "post",
        lambda method, path: method == "get" and not _ABOUT.search(path) and _rank(path) is None,
        lambda method, path: method == "get",
        lambda method, path: True,
    )
    for fits in kinds:
        if found := [index for index, operation in enumerate(operations) if fits(*operation)]:
            return found
    return []


def _rank(path: str) -> int | None:
    word = path.rstrip("/").rpartition("/")[2].lower()
    return _READY.index(word) if word in _READY else None


def _ready_path(operations: list[tuple[str, str]], base: str) -> str | None:
    ranked = [(rank, path) for method, path in operations if method == "get" and (rank := _rank(path)) is not None]
    return base + min(ranked)[1] if ranked else None
