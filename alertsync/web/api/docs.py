"""Shows the OpenAPI document: as it is to programs, as a page to people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Response, current_app, jsonify, render_template, request
from markupsafe import Markup, escape

from alertsync.web import conditional, queries
from alertsync.web.api.document import document
from alertsync.web.api.operations import problem_answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertsync.services import Services


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("docs", __name__)
    guarded = not services.settings.web.open

    @routes.get("/api/v1/openapi.json")
    def openapi() -> Response:
        queries.check(request)
        made = document(current_app.url_map, request.script_root, guarded=guarded)
        return conditional.marked(
            request, jsonify(made), conditional.tag_of(request, msgspec.json.encode(made))
        )

    @routes.get("/api/v1/docs")
    def page() -> str:
        queries.check(request)
        made = document(current_app.url_map, request.script_root, guarded=guarded)
        return render_template("api.html", api=made, sections=list(_sections(made)))

    routes.add_app_template_filter(prose)
    routes.add_app_template_filter(kind)
    return routes


def prose(text: str) -> Markup:
    """Show a description: paragraphs, `code` and **strong**, and everything else as it stands."""
    safe = str(escape(text))
    safe = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", safe)
    safe = re.sub(r"\*\*([^*\n]+)\*\*", r"<strong>\1</strong>", safe)
    return Markup("".join(f"<p>{part}</p>" for part in safe.strip().split("\n\n")))  # noqa: S704  escaped above


def kind(schema: dict[str, Any]) -> Markup:
    """Say in a few words what a schema lets through; other schemas are linked to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(word or '""') for word in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(kind(schema.get("items", {})))
    if isinstance(schema.get("additionalProperties"), dict):
        return Markup("object of {}").format(kind(schema["additionalProperties"]))
    return escape(" ".join([schema.get("format") or schema.get("type", "anything"), *_bounds(schema)]))


def _bounds(schema: dict[str, Any]) -> Iterable[str]:
    if "maximum" in schema:
        yield f"from {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        yield f"of at most {schema['maxLength']} characters"
    if "default" in schema:
        yield f"(default {schema['default']})"


def _sections(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the operations tag by tag, each with its method, its path and its answers in full."""
    answers = problem_answers()
    for tag in made["tags"]:
        operations = [
            {
                **operation,
                "method": method.upper(),
                "path": path,
                "answers": {
                    status: answers[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
                    for status, answer in sorted(operation["responses"].items())
                },
            }
            for path, methods in made["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        if operations:
            yield {**tag, "operations": operations}
