"""The schemas of the document, made from the very shapes that answers are made of."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect as shapes

from alertsync.web import answers, irm_events, silencing
from alertsync.web.api import silences

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
    answers.OwnSilenceList,
    answers.SilenceDone,
    answers.Receipt,
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


_ID = {"type": "string", "pattern": silences.ID}
_SILENCE_WANTED = {
    "title": "SilenceWanted",
    "description": "A silence to be made; `duration` in seconds.",
    "type": "object",
    "properties": {
        "alert_group_id": _ID,
        "duration": {
            "type": "integer",
            "minimum": silencing.LEAST_SECONDS,
            "maximum": silencing.MOST_SECONDS,
        },
        "comment": {**_TEXT, "pattern": silences.SOMETHING, "maxLength": silencing.MOST_COMMENT},
    },
    "required": ["alert_group_id", "duration", "comment"],
    "additionalProperties": False,
}
_NAME = {"anyOf": [{**_TEXT, "maxLength": irm_events.MOST_CHARACTERS}, {"type": "null"}]}
_MAYBE_TEXT = {"anyOf": [_TEXT, {"type": "null"}]}
_MOMENT = {**_TEXT, "format": "date-time"}
_MAYBE_MOMENT = {"anyOf": [_MOMENT, {"type": "null"}]}
_KIND = {**_TEXT, "minLength": 1, "maxLength": irm_events.MOST_CHARACTERS}
_DELIVERED = {
    "title": "Delivered",
    "description": "What is read of a delivery of IRM. `event.until` is null for ever; `user` is null where nobody did it.",
    "type": "object",
    "properties": {
        "event": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string", "enum": [irm_events.BEGINS]},
                        "time": _MOMENT,
                        "until": _MAYBE_MOMENT,
                    },
                    "required": ["type", "time", "until"],
                },
                {
                    "type": "object",
                    "properties": {
                        "type": {**_KIND, "not": {"enum": [irm_events.BEGINS]}},
                        "time": _MAYBE_MOMENT,
                        "until": _MAYBE_MOMENT,
                    },
                    "required": ["type"],
                },
            ]
        },
        "user": {
            "anyOf": [
                {"type": "object", "properties": {"id": _NAME, "username": _NAME, "email": _NAME}},
                {"type": "null"},
            ]
        },
        "alert_group": {
            "type": "object",
            "properties": {
                "id": _ID,
                "title": _MAYBE_TEXT,
                "permalinks": {
                    "anyOf": [{"type": "object", "properties": {"web": _MAYBE_TEXT}}, {"type": "null"}]
                },
            },
            "required": ["id"],
        },
    },
    "required": ["event", "user", "alert_group"],
}


def components() -> dict[str, Any]:
    """Give every schema by its name."""
    _, made = msgspec.json.schema_components(_ANSWERS, ref_template=_REF)
    for shape in _structs(shapes.multi_type_info(_ANSWERS)):
        _complete(made[shape.cls.__name__], shape)
    for schema in made.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"]).replace("None", "null")
    ours = (_PROBLEM, _DOCUMENT, _SILENCE_WANTED, _DELIVERED)
    return {**made, **{str(schema["title"]): schema for schema in ours}}


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
