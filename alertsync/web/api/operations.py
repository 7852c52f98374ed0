"""How an operation is written down in OpenAPI: the answers that all have in common, and those of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertsync.errors import PROBLEM_TYPE
from alertsync.web.api import parameters as take

if TYPE_CHECKING:
    from collections.abc import Sequence

Described = dict[str, Any]
"""A part of the document."""

_JSON = "application/json"
_PROBLEMS = {
    "400": ("BadRequest", "A parameter or a body is not understood; nothing was done."),
    "401": ("Unauthorized", "This address is guarded, and what was sent lets nobody in."),
    "403": ("Forbidden", "A page of another site made a browser send this."),
    "404": ("NotFound", "It is not there, or not kept any more."),
    "405": ("MethodNotAllowed", "The header Allow names the methods that there are."),
    "409": (
        "Conflict",
        "Another run goes on: Retry-After says when to try again. Without it: not as things stand; `detail` says why.",
    ),
    "413": ("TooLarge", "The body is too large."),
    "415": ("UnsupportedMediaType", "The body is not of the type that is wanted."),
    "429": (
        "TooManyAttempts",
        "Too many attempts to get in have failed. Retry-After says when to try again.",
    ),
    "500": ("Failed", "The run failed, or alertsync met an error of its own; its log says more."),
    "502": ("BadGateway", "Alertmanager or IRM gave no usable answer."),
    "503": (
        "Unavailable",
        "Not ready, stopping, or too much at once. Where trying again helps, Retry-After says when.",
    ),
    "504": ("GatewayTimeout", "Alertmanager took too long to answer."),
}
_ETAG = {"ETag": {"description": "Names this answer, for `If-None-Match`.", "schema": {"type": "string"}}}
_RETRY = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}
NO_BODY = {
    "description": "None, or an empty JSON object.",
    "required": False,
    "content": {_JSON: {"schema": {"type": "object", "maxProperties": 0}}},
}


def body(schema: str, description: str) -> Described:
    """Describe a body that is wanted."""
    return {"description": description, "required": True, "content": content(schema)}


def form(schema: str) -> Described:
    """Describe what a form sends."""
    kind = "application/x-www-form-urlencoded"
    return {
        "description": "What the form of the page sends.",
        "required": True,
        "content": {kind: {"schema": ref(schema)}},
    }


def problem_answers() -> Described:
    """Give the answers that are problems, by their name."""
    return {name: _problem_answer(status, description) for status, (name, description) in _PROBLEMS.items()}


def _problem_answer(status: str, description: str) -> Described:
    headers = {
        "401": {"WWW-Authenticate": {"schema": {"type": "string"}}},
        "405": {"Allow": {"schema": {"type": "string"}}},
        "409": {"Retry-After": _RETRY},
        "429": {"Retry-After": _RETRY},
        "503": {"Retry-After": _RETRY},
    }.get(status, {})
    content = {PROBLEM_TYPE: {"schema": ref("Problem")}, **text("text/plain"), **text("text/html")}
    return {"description": description, "headers": headers, "content": content}


def ref(schema: str) -> Described:
    """Name a schema."""
    return {"$ref": f"#/components/schemas/{schema}"}


def text(kind: str) -> Described:
    """Describe an answer that is a text."""
    return {kind: {"schema": {"type": "string"}}}


def content(schema: str) -> Described:
    """Describe an answer that is JSON."""
    return {_JSON: {"schema": ref(schema)}}


def operation(  # noqa: PLR0913  each is a part of what OpenAPI tells
    tag: str,
    name: str,
    summary: str,
    said: Described,
    *parameters: Described,
    problems: Sequence[int] = (),
    description: str = "",
    guarded: bool = True,
) -> Described:
    """Describe an operation: `said` is what it answers with 200, `problems` are the statuses of its problems."""
    statuses = {*map(str, problems), *(("401", "429") if guarded else ())}
    refused = {
        status: {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"} for status in sorted(statuses)
    }
    found: Described = {"tags": [tag], "operationId": name, "summary": summary}
    if description:
        found["description"] = description
    if parameters:
        found["parameters"] = list(parameters)
    found["responses"] = {"200": {"description": "As asked for.", "content": said}, **refused}
    return found if guarded else {**found, "security": []}


def polled(  # noqa: PLR0913  as `operation`
    tag: str,
    name: str,
    summary: str,
    schema: str,
    *parameters: Described,
    problems: Sequence[int] = (400,),
    description: str = "",
) -> Described:
    """Describe an operation whose answer has an `ETag`."""
    found = operation(
        tag,
        name,
        summary,
        content(schema),
        *parameters,
        take.IF_NONE_MATCH,
        problems=problems,
        description=description,
    )
    answers = found["responses"]
    answers["200"]["headers"] = _ETAG
    answers["304"] = {"description": "It is as you have it.", "headers": _ETAG}
    return found


def trigger(
    tag: str, name: str, summary: str, said: Described, *parameters: Described, description: str
) -> Described:
    """Describe an operation that starts a run."""
    found = operation(
        tag,
        name,
        summary,
        said,
        *parameters,
        problems=(400, 403, 409, 413, 415, 500, 503),
        description=description,
    )
    headers = {
        "Location": {"description": "Tells how it ends.", "schema": {"type": "string"}},
        "Retry-After": _RETRY,
    }
    begun = {**content("RunBegun"), **{kind: one for kind, one in said.items() if kind == "text/plain"}}
    found["responses"]["202"] = {"description": "The run goes on.", "headers": headers, "content": begun}
    return {**found, "requestBody": NO_BODY}


def created(found: Described) -> Described:
    """Describe that an operation answers with 201."""
    answers = found["responses"]
    answers["201"] = {**answers.pop("200"), "description": "It is there."}
    return found


def page(name: str, summary: str, *parameters: Described, problems: Sequence[int] = (400,)) -> Described:
    """Describe a page for people."""
    return operation("Pages", name, summary, text("text/html"), *parameters, problems=problems)


def leading(found: Described, status: int, where: str) -> Described:
    """Describe that an operation leads on, and answers nothing itself unless it is described for programs too."""
    answers = found["responses"]
    if list(answers["200"]["content"]) == ["text/html"]:
        del answers["200"]
    headers = {"Location": {"description": where, "schema": {"type": "string"}}}
    answers[str(status)] = {
        "description": "Leads a browser on.",
        "headers": headers,
        "content": text("text/html"),
    }
    return found
