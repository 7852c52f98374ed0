"""The OpenAPI document, of what this service serves and nothing else.

What answers look like comes from the shapes that they are made of, what stands at an address from `paths.py`, and
which addresses there are from the app itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import alertsync
from alertsync.web.api.operations import problem_answers
from alertsync.web.api.paths import OPERATIONS, TAGS
from alertsync.web.api.schemas import components

if TYPE_CHECKING:
    from werkzeug.routing import Map

_VARIABLE = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
_BRACES = r"{\1}"
_AUTOMATIC = frozenset({"HEAD", "OPTIONS"})
_ABOUT = """\
alertsync keeps Prometheus Alertmanager and Grafana IRM telling the same story.

**Versions.** Within `/api/v1` fields, parameters, words of enumerations and addresses are only added. What is taken away \
or changes its meaning gets another address.

**Lists** answer `items`, newest first, and `next`, which leads to the page behind when it is given as `cursor`. What is \
added meanwhile shifts no page.

**Polling.** Answers that are polled have an `ETag`. Send it as `If-None-Match`, and the answer is an empty 304 while \
nothing has changed.

**Errors** are problems (RFC 9457): `title`, `status`, `detail`, and mostly a `hint` at what to do. Parameters that are not \
known are refused.

**Who may.** Where a password or a token is set, all but the probes, the metrics and the style sheets want one of them.
"""


def served(addresses: Map) -> set[str]:
    """Give what an app serves, as "METHOD /path" with parameters in braces."""
    return {
        f"{method} {_VARIABLE.sub(_BRACES, rule.rule)}"
        for rule in addresses.iter_rules()
        for method in (rule.methods or set()) - _AUTOMATIC
    }


def document(addresses: Map, root: str, *, guarded: bool) -> dict[str, Any]:
    """Make the document; `root` is the path below which the service is reached, "" if there is none.

    `guarded` where a password or a token is set.
    """
    there, paths = served(addresses), dict[str, dict[str, Any]]()
    for name, operation in OPERATIONS.items():
        if name in there:
            method, path = name.split(" ")
            paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alertsync",
            "version": alertsync.__version__,
            "summary": "How things stand between Alertmanager and IRM, and what alertsync does about it.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": [{"basic": []}, {"bearer": []}] if guarded else [],
        "paths": paths,
        "components": {
            "schemas": components(),
            "responses": problem_answers(),
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "For people: the user name and the password of the settings.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "For scripts: the token of the settings.",
                },
                "webhook": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "For IRM: the user name and the password of its webhook, which open that one address.",
                },
            },
        },
    }
