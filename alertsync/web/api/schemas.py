"""The schemas of the document, made from the very shapes that answers are made of."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect as shapes

from alertsync.web import answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_REF = "#/components/schemas/{name}"
_ANSWERS = (
    answers.Index,
    answers.Liveness,
    answers.Readiness,
    answers.Status,
    answers.Decisions,
    answers.Run,
    answers.RunBegun,
    answers.RunList,
    answers.ActionList,
    answers.DebtList,
    answers.Explanation,
    answers.Alerts,
    answers.LastDecisions,
)
_TEXT = {"type": "string"}
_PROBLEM = {
    "title": "Problem",
    "description": "What is wrong with a request, or went wrong (RFC 9457), and what to do next. A run that failed "
    "has `message` and `run_id` too.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "instance": {"type": "string", "format": "uri-reference"},
        "hint": _TEXT,
        "message": _TEXT,
        "run_id": _TEXT,
    },
    "required": ["type", "title", "status", "detail", "instance"],
}

_DOCUMENT = {"title": "Document", "description": "An OpenAPI document, version 3.1.", "type": "object"}


def components() -> dict[str, Any]:
    """Give every schema by its name."""
    _, made = msgspec.json.schema_components(_ANSWERS, ref_template=_REF)
    for shape in _structs(shapes.multi_type_info(_ANSWERS)):
        _complete(made[shape.cls.__name__], shape)
    for schema in made.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"]).replace("None", "null")
    return {**made, "Problem": _PROBLEM, "Document": _DOCUMENT}


def _complete(schema: dict[str, Any], shape: shapes.StructType) -> None:
    """Say what is always there, as all is but what is left unset, and which texts are times."""
    for field in shape.fields:
        described = schema["properties"][field.encode_name]
        described.pop("default", None)
        if _holds(field.type, shapes.DateTimeType):
            (described["anyOf"][0] if "anyOf" in described else described)["format"] = "date-time"
    kept = [field.encode_name for field in shape.fields if not _may_be_unset(field)]
    schema["required"] = ["type", *kept] if shape.tag is not None else kept


def _may_be_unset(field: shapes.Field) -> bool:
    # What is optional and has no default is what may be unset.
    return not field.required and field.default is msgspec.NODEFAULT is field.default_factory


def _holds(kind: shapes.Type, wanted: type[shapes.Type]) -> bool:
    parts = kind.types if isinstance(kind, shapes.UnionType) else (kind,)
    return any(isinstance(part, wanted) for part in parts)


def _structs(kinds: Iterable[shapes.Type]) -> Iterator[shapes.StructType]:
    """Give every struct in these types, each once."""
    found: dict[type, shapes.StructType] = {}
    left = list(kinds)
    while left:
        kind = left.pop()
        if isinstance(kind, shapes.StructType):
            if kind.cls not in found:
                found[kind.cls] = kind
                left.extend(field.type for field in kind.fields)
        elif isinstance(kind, shapes.UnionType):
            left.extend(kind.types)
        elif isinstance(kind, shapes.VarTupleType):
            left.append(kind.item_type)
    yield from found.values()
