"""What a failed request means, in words that a tired person understands.

The same sentence goes to the log, to the caller of a trigger and to `alertsync check`, so each says what
happened, where, and what to do next. Nothing of a request is repeated here but the address and the operation,
and a stranger's answer is cut to one short line.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import IncompleteRead, NameResolutionError, ProtocolError, ReadTimeoutError

from alertsync.errors import Reason, UpstreamError
from alertsync.redaction import strike

if TYPE_CHECKING:
    from alertsync.clients.http import Endpoint
    from alertsync.models import Operation

_MAX_DETAIL = 300
_MAX_QUOTED_BYTES = 1 << 16
_MAX_WAIT_SECONDS = 86400
_NAMES = {"alertmanager": "Alertmanager", "irm": "Grafana IRM", "inbound": "Grafana IRM's inbound link"}
_SETTING = {
    "alertmanager": "ALERTMANAGER_HOST",
    "irm": "GRAFANA_IRM_URL",
    "inbound": "the link that IRM shows for the integration",
}
_CUT_OFF = (
    "the connection broke before the whole answer arrived: the next run tries again; "
    "if it goes on, look at its log and at what stands between"
)
_CA_SETTING = {
    "alertmanager": "ALERTMANAGER_CA_FILE",
    "irm": "GRAFANA_IRM_CA_FILE",
    "inbound": "GRAFANA_IRM_CA_FILE",
}
_TIMEOUT_SETTING = {"alertmanager": "ALERTMANAGER_TIMEOUT", "irm": "IRM_TIMEOUT", "inbound": "IRM_TIMEOUT"}


def _door(endpoint: Endpoint) -> str:
    """Which words fit: those for an API, or those for an inbound link of IRM."""
    return "inbound" if endpoint.inbound else endpoint.upstream


def _error(  # noqa: PLR0913  what is known about a failure
    reason: Reason,
    text: str,
    endpoint: Endpoint,
    operation: Operation,
    *,
    status: int | None = None,
    detail: str = "",
    retry_after: float | None = None,
) -> UpstreamError:
    where = f"{_NAMES[_door(endpoint)]} at {endpoint.base_url} ({operation})"
    return UpstreamError(
        reason,
        strike(f"{where}: {text}", endpoint.secrets),
        upstream=endpoint.upstream,
        operation=operation,
        status=status,
        detail=strike(detail, endpoint.secrets),
        retry_after=retry_after,
    )


def out_of_time(endpoint: Endpoint, operation: Operation) -> UpstreamError:
    """Tell that the run's time was over."""
    text = "the run's time was over before an answer came: raise RUN_TIMEOUT, or find out what is slow"
    return _error(Reason.DEADLINE, text, endpoint, operation)


def must_wait(endpoint: Endpoint, operation: Operation, wait: float, *, asked: bool) -> UpstreamError:
    """Tell that no request may be sent for longer than the run may last: the server asked so, or our own limit."""
    who = "it asked us to send no" if asked else f"{_OWN_LIMIT[_door(endpoint)]} allows no further"
    text = f"{who} request for {wait:.0f} s, longer than can be waited for: {_LIMITED[_door(endpoint)]}"
    return _error(Reason.RATE_LIMITED, text, endpoint, operation, retry_after=wait)


def no_link(endpoint: Endpoint, operation: Operation, integration_id: str) -> UpstreamError:
    """Tell that nothing can be posted to an integration."""
    text = (
        f"the integration {integration_id} has no inbound link, or is gone: nothing can be posted to it. "
        "Look at it in IRM's settings"
    )
    return _error(Reason.NOT_FOUND, text, endpoint, operation)


def no_heartbeat(endpoint: Endpoint, operation: Operation, integration_id: str) -> UpstreamError:
    """Tell that an integration takes no heartbeat."""
    text = (
        f"the integration {integration_id} has no heartbeat, or is gone, so IRM does not watch over alertsync: "
        "IRM_HEARTBEAT_INTEGRATION_ID wants the id of an integration that has one"
    )
    return _error(Reason.NOT_FOUND, text, endpoint, operation)


def too_large(endpoint: Endpoint, operation: Operation, limit: int) -> UpstreamError:
    """Tell that an answer was larger than any that can be meant."""
    text = f"the answer is larger than {limit >> 20} MiB: is this address right?"
    return _error(Reason.TOO_LARGE, text, endpoint, operation)


def not_json(endpoint: Endpoint, operation: Operation, body: bytes | bytearray) -> UpstreamError:
    """Tell that a 200 did not hold JSON.

    What was meant to be JSON and is cut off is not quoted: lists of IRM's hold secrets that nobody has read yet.
    """
    if body.lstrip()[:1] in (b"{", b"["):
        text = f"the answer is not JSON but only begins like it ({len(body)} bytes came): what stands between cuts it off?"
        return _error(Reason.NOT_JSON, text, endpoint, operation)
    text = (
        f"the answer is not JSON but begins with {_cut(_struck(body, endpoint))!r}: "
        f"does {_SETTING[_door(endpoint)]} point at something else, such as a login page?"
    )
    return _error(Reason.NOT_JSON, text, endpoint, operation)


def wrong_shape(endpoint: Endpoint, operation: Operation, why: str) -> UpstreamError:
    """Tell that JSON arrived in which a field that matters was missing or of another type."""
    text = (
        f"the answer has not the expected shape ({why}): does {_SETTING[_door(endpoint)]} "
        "point at the right service and path?"
    )
    return _error(Reason.WRONG_SHAPE, text, endpoint, operation)


def unstable(endpoint: Endpoint, operation: Operation, attempts: int) -> UpstreamError:
    """Tell that a list kept changing while its pages were read."""
    text = f"the list lost entries while its pages were read, {attempts} times in a row: the next run tries again"
    return _error(Reason.UNSTABLE, text, endpoint, operation)


def incomplete(endpoint: Endpoint, operation: Operation, attempts: int) -> UpstreamError:
    """Tell that Alertmanager's aggregation groups lacked alerts that it holds."""
    text = (
        f"alerts that it holds were missing from its aggregation groups, or not one server answered, {attempts} times "
        "in a row: is its configuration being reloaded, or the address that of several servers? The next run tries again"
    )
    return _error(Reason.UNSTABLE, text, endpoint, operation)


def of_transport(error: Exception, endpoint: Endpoint, operation: Operation) -> UpstreamError:
    """Classify a failure below HTTP: DNS, TCP, TLS, proxy, timeout, a broken connection."""
    setting = _SETTING[_door(endpoint)]
    causes = list(_causes(error))
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        return _error(Reason.DNS, f"the host name cannot be resolved: check {setting}", endpoint, operation)
    if isinstance(error, requests.exceptions.ProxyError):
        text = "the proxy named by the environment refuses: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
        return _error(Reason.PROXY, text, endpoint, operation)
    if isinstance(error, requests.exceptions.SSLError):
        text = f"the TLS certificate is not trusted or TLS is not spoken there: check {setting} and {_CA_SETTING[_door(endpoint)]}"
        return _error(Reason.TLS, text, endpoint, operation)
    if isinstance(error, requests.exceptions.Timeout) or any(
        isinstance(cause, ReadTimeoutError | TimeoutError) for cause in causes
    ):
        text = f"no answer within {endpoint.timeout:g} s: is it overloaded? {_TIMEOUT_SETTING[_door(endpoint)]} sets how long to wait"
        return _error(Reason.TIMEOUT, text, endpoint, operation)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        text = f"the connection is refused: is it running, and is {setting} right?"
        return _error(Reason.UNREACHABLE, text, endpoint, operation)
    if any(isinstance(cause, IncompleteRead | ProtocolError | ConnectionError) for cause in causes):
        return _error(Reason.CUT_OFF, _CUT_OFF, endpoint, operation)
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        text = f"a file of its TLS settings cannot be used: check {_CA_SETTING[_door(endpoint)]}"
        return _error(Reason.TLS, text, endpoint, operation)
    text = f"the request failed ({type(error).__name__}): check {setting} and the network between"
    return _error(Reason.CUT_OFF, text, endpoint, operation)


def _causes(error: BaseException | None) -> list[BaseException]:
    """Walk an exception's causes; requests and urllib3 wrap them in args, reason and context."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or one in found:
            continue
        found.append(one)
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def of_status(
    response: requests.Response, body: bytes | bytearray, endpoint: Endpoint, operation: Operation
) -> UpstreamError:
    """Classify an answer that is not 2xx."""
    status, detail = response.status_code, said(_struck(body, endpoint))
    reason, text = _meaning(status, response, endpoint)
    quoted = f" It said: {detail!r}." if detail else ""
    return _error(
        reason,
        f"HTTP {status}: {text}.{quoted}",
        endpoint,
        operation,
        status=status,
        detail=detail,
        retry_after=_retry_after(response) if reason in (Reason.RATE_LIMITED, Reason.SERVER_ERROR) else None,
    )


def _meaning(status: int, response: requests.Response, endpoint: Endpoint) -> tuple[Reason, str]:
    setting = _SETTING[_door(endpoint)]
    if 300 <= status < 400:  # noqa: PLR2004  3xx is a redirect
        target = _cut(response.headers.get("Location", "elsewhere").split("?")[0].encode())
        return Reason.REDIRECTED, (
            f"it redirects to {target}, which is not followed so that no token reaches another host: set {setting} to the final address"
        )
    if status == requests.codes.unauthorized:
        return Reason.UNAUTHORIZED, "it wants other credentials: check user name, password or token"
    if status == requests.codes.forbidden:
        return Reason.FORBIDDEN, _FORBIDDEN[_door(endpoint)]
    if status == requests.codes.not_found:
        return Reason.NOT_FOUND, f"nothing is there: does {setting} lack a path prefix, or have one too many?"
    if status == requests.codes.too_many_requests:
        return Reason.RATE_LIMITED, _LIMITED[_door(endpoint)]
    if status >= requests.codes.server_error:
        return Reason.SERVER_ERROR, "it has a problem of its own: see its log"
    return Reason.REJECTED, "it refuses the request"


_FORBIDDEN = {
    "alertmanager": "it does not let us in: check user name, password, token and tenant",
    "irm": "the token is wrong, or its user may not do this: wants an API token of a user with role Editor or above",
    "inbound": "IRM knows this link no more: was the integration deleted or its link changed?",
}
_LIMITED = {
    "alertmanager": "too many requests",
    "irm": "the rate limit of the token's user ran out (all tokens of a user share it)",
    "inbound": "IRM takes a limited number of deliveries for each integration, and half of them are left to Alertmanager",
}
_OWN_LIMIT = {
    "alertmanager": "our own limit",
    "irm": "IRM_RATE_LIMIT",
    "inbound": "our share of the integration's limit",
}


def _retry_after(response: requests.Response) -> float | None:
    """Read Retry-After or RateLimit-Reset in seconds; IRM sends both, or the latter alone.

    More than a day is no such time: elsewhere RateLimit-Reset is a point in time, in seconds since 1970.
    """
    for header in ("Retry-After", "RateLimit-Reset"):
        value = response.headers.get(header, "").strip()
        if re.fullmatch(r"[0-9]{1,6}", value) and int(value) <= _MAX_WAIT_SECONDS:
            return float(value)
    return None


def _struck(body: bytes | bytearray, endpoint: Endpoint) -> bytes:
    """Strike secrets before anything is cut: half of a token would not be recognised."""
    return strike(body[:_MAX_QUOTED_BYTES].decode("utf-8", "replace"), endpoint.secrets).encode()


def said(body: bytes | bytearray) -> str:
    """Give the gist of an error body, which is a JSON string, an object, HTML, or empty."""
    try:
        value = json.loads(body)
    except ValueError:
        return "" if body.lstrip()[:1] == b"<" else _cut(body)
    if isinstance(value, dict):
        value = next((value[key] for key in ("detail", "message", "error") if key in value), value)
    return _cut(value.encode() if isinstance(value, str) else json.dumps(value).encode())


def _cut(body: bytes | bytearray) -> str:
    text = re.sub(r"[\s\x00-\x1f\x7f]+", " ", body[: _MAX_DETAIL * 4].decode("utf-8", "replace")).strip()
    return text[:_MAX_DETAIL]
