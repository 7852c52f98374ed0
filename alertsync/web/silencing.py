"""Silences that somebody asks for here, or ends: one at a time, as each reads both systems and waits for the run lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from alertsync.errors import NotReadyError
from alertsync.models import HandAnswer, HandResult
from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from datetime import timedelta

    from alertsync.reconciler import Reconciler
    from alertsync.services import Services
    from alertsync.web.readings import Readings
    from alertsync.web.triggers import Triggers

LEAST_SECONDS, MOST_SECONDS = 60, 30 * 86400
MOST_COMMENT = 1000
_WAIT_SECONDS = 10.0
"""How long a run may go on before who asks is told to come again: a thread waits for it, and a person."""
_WELL = frozenset({HandAnswer.MADE, HandAnswer.ENDED})


class Silencing:
    """Makes and ends silences for the requests of this worker.

    Both raise `NotReadyError`, `RunBusyError`, `UpstreamError`, or a problem where it is refused.
    """

    def __init__(self, services: Services, readings: Readings, triggers: Triggers) -> None:
        self._services = services
        self._readings = readings
        self._triggers = triggers

    def make(self, alert_group_id: str, duration: timedelta, comment: str, author: str) -> HandResult:
        """Silence, in Alertmanager, exactly the alerts of an alert group."""
        reconciler = self._reconciler()
        with self._readings.alone():
            return _well(
                reconciler.silence(alert_group_id, duration, comment, author, wait=_WAIT_SECONDS),
                "GET /grafana-alerts shows the ids of the open alert groups",
            )

    def end(self, silence_id: str, author: str) -> HandResult:
        """End a silence of ours, by its id there or by ours."""
        reconciler = self._reconciler()
        if over := self._over(silence_id):
            return over
        with self._readings.alone():
            return _well(
                reconciler.end_silence(silence_id, author, wait=_WAIT_SECONDS),
                "GET /api/v1/silences lists those that are ours; others are ended in Alertmanager",
            )

    def _over(self, silence_id: str) -> HandResult | None:
        """Give the answer for one that was made here and is over: who asks twice is told the same."""
        for one in self._services.store.ledger().hand_silences:
            if not one.is_open and silence_id in (one.id, *(mine.id for mine in one.silences)):
                return HandResult(HandAnswer.ENDED, "it was over already", one)
        return None

    def _reconciler(self) -> Reconciler:
        if self._services.reconciler is None:
            missing = self._services.missing
            raise NotReadyError("; ".join(f"{name} {text}" for name, text in missing.items()))
        self._triggers.leave_it_to_the_leader()
        return self._services.reconciler


def _well(result: HandResult, where: str) -> HandResult:
    return result if result.answer in _WELL else _refuse(result, where)


def _refuse(result: HandResult, where: str) -> NoReturn:
    match result.answer:
        case HandAnswer.NOT_FOUND:
            raise ProblemError(404, "Unknown silence or alert group", result.why, where)
        case HandAnswer.FAILED:
            hint = "GET /api/v1/silences lists what is there now; try again, or silence it in Alertmanager"
            raise ProblemError(502, "Alertmanager did not do all of it", result.why, hint)
        case _:
            hint = "what is said there must be mended first; Alertmanager itself silences whatever you like"
            raise ProblemError(409, "Refused", result.why, hint)
