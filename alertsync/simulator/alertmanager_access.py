"""Who may talk to the simulated Alertmanager.

A real one demands basic auth by its ``--web.config.file``, for the probes too; Mimir, Cortex and Grafana
Cloud serve the same API behind a bearer token or basic auth, and want to know the tenant.
"""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request


@dataclass(frozen=True, kw_only=True)
class Access:
    """What each request must bring; an empty string demands nothing."""

    username: str
    password: str
    token: str
    tenant: str

    def refusal(self) -> Response | None:
        """Return the answer that turns the current request away, or None to let it in."""
        sent = request.authorization
        if self.username and (
            sent is None or (sent.username, sent.password) != (self.username, self.password)
        ):
            return _refused("Unauthorized\n", {"WWW-Authenticate": "Basic"})
        if self.token and (sent is None or sent.type != "bearer" or sent.token != self.token):
            return _refused("Unauthorized\n", {"WWW-Authenticate": "Bearer"})
        if self.tenant and request.headers.get("X-Scope-OrgID") != self.tenant:
            return _refused("no org id\n", {})
        return None


def _refused(text: str, headers: dict[str, str]) -> Response:
    return Response(text, HTTPStatus.UNAUTHORIZED, headers, content_type="text/plain; charset=utf-8")
