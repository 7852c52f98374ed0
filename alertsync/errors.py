"""Why things fail, in words and in a few bounded reasons.

One classification serves the retry loop, the log, the answer to a person and, as a label, the metrics:
so a reason is a word from a short list, and the sentence beside it says what happened, where, and what to
do next. Nothing here ever holds a token; what a stranger's server said is cut short before it gets here.
"""

from __future__ import annotations

from enum import StrEnum

PROBLEM_TYPE = "application/problem+json"
"""How an error is told over HTTP (RFC 9457)."""


class AlertsyncError(Exception):
    """Anything that alertsync itself raises. `str()` is a sentence fit for a person."""


class ConfigError(AlertsyncError):
    """The environment holds settings that cannot be used; `problems` names every one of them."""

    def __init__(self, problems: dict[str, str]) -> None:
        """`problems`: variable name to what is wrong with it and which value it wants."""
        self.problems = problems
        lines = "".join(f"\n  {name}: {text}" for name, text in problems.items())
        super().__init__(f"{len(problems)} setting(s) cannot be used:{lines}")


class RunBusyError(AlertsyncError):
    """Another run holds the run lock, or another trigger already waits for it.

    `retry_after` is in seconds.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class NotReadyError(AlertsyncError):
    """No run is possible with the settings as they are; the text says which are missing."""


class StateDirError(AlertsyncError):
    """The state directory cannot be used, so nothing guards a run against a second one."""


class StoreDegradedError(AlertsyncError):
    """The store could not write down what it was given; it keeps it in memory, and tries again at each run."""


class NewerStoreError(AlertsyncError):
    """A later version of alertsync made the store: this one does not know what it owes, and must not touch it."""


class MovingError(AlertsyncError):
    """The store cannot be moved to another database, or back."""


class InboxFullError(AlertsyncError):
    """As many events of IRM's webhooks wait for a run as are kept."""


class UnknownAlertGroupError(AlertsyncError):
    """IRM has no alert group of that id."""


class StoppedError(AlertsyncError):
    """The process was asked to stop, so the run ended between two requests."""


class LockLostError(StoppedError):
    """What keeps the hosts apart that share a database is lost: another one may run now, so this one does nothing more."""


class SharedLockError(AlertsyncError):
    """The database that several hosts share cannot be asked for a lock, so nothing guards a run against theirs."""


class Reason(StrEnum):
    """Why a request to an upstream failed; bounded, fit for a metric label."""

    DNS = "dns"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    CUT_OFF = "cut_off"
    REDIRECTED = "redirected"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    SERVER_ERROR = "server_error"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    TOO_LARGE = "too_large"
    UNSTABLE = "unstable"
    DEADLINE = "deadline"


RETRYABLE = frozenset(
    {
        Reason.DNS,
        Reason.UNREACHABLE,
        Reason.PROXY,
        Reason.TIMEOUT,
        Reason.CUT_OFF,
        Reason.RATE_LIMITED,
        Reason.SERVER_ERROR,
    }
)
"""Reasons that a second try may cure, if the request may be repeated at all."""

NEVER_ARRIVED = frozenset({Reason.DNS, Reason.UNREACHABLE, Reason.RATE_LIMITED})
"""Reasons after which the server has certainly not acted, so that any request may be repeated."""


class UpstreamError(AlertsyncError):
    """A request to Alertmanager or IRM did not give a usable answer.

    `upstream` is "alertmanager" or "irm", `operation` a short name such as "list alert groups", `status`
    the HTTP status if there was an answer, `detail` what the server said (at most 300 characters), and
    `retry_after` the seconds after which the server wants to be asked again.
    """

    def __init__(  # noqa: PLR0913  an error is the sum of what is known about it
        self,
        reason: Reason,
        message: str,
        *,
        upstream: str,
        operation: str,
        status: int | None = None,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.reason = reason
        self.upstream = upstream
        self.operation = operation
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        super().__init__(message)

    @property
    def retryable(self) -> bool:
        """Whether a second try of a repeatable request may succeed."""
        return self.reason in RETRYABLE

    @property
    def never_arrived(self) -> bool:
        """Whether the server has certainly not acted on the request."""
        return self.reason in NEVER_ARRIVED
