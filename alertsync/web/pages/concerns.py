"""All that may be wrong, each with what it means and what to do about it, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import RunStatus
from alertsync.web.pages.verdict import Concern, Tone
from alertsync.web.pages.words import many, sentence, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.web.pages.verdict import Facts

_CHECK = "python -m alertsync check"


def of(facts: Facts) -> Iterator[Concern]:
    """Give all that is wrong, in no order."""
    if facts.missing:
        yield Concern(
            Tone.BAD,
            "Settings are missing",
            f"alertsync cannot reach Grafana IRM, so nothing runs. Set {'this' if len(facts.missing) == 1 else 'these'}, "
            "and restart it:",
            "This tells whether they are right:",
            missing=tuple(facts.missing.items()),
            command=_CHECK,
            badge="Not set up",
            headline=f"Not set up: {many(len(facts.missing), 'setting is', 'settings are')} missing.",
        )
    yield from _of_pages(facts)
    yield from _of_runs(facts)
    yield from _of_means(facts)
    yield from _of_mode(facts)


def _of_pages(facts: Facts) -> Iterator[Concern]:
    due = facts.attention.due
    stuck = [one for one in facts.attention.owing if one.alarm]
    if stuck:
        yield Concern(
            Tone.BAD,
            f"Nobody is paged for {many(len(stuck), 'alert group')}",
            stuck[0].alarm,
            "Tell who is on call now. Then open its story, which shows what was tried.",
            badge="Nobody paged",
            headline="Nobody is paged for alerts that fire again.",
            place="owed",
        )
    if due and (facts.dry_run or not facts.repage):
        held = "the dry run" if facts.dry_run else "REPAGE=false"
        yield Concern(
            Tone.BAD,
            f"{many(due, 'alert fires', 'alerts fire')} again, and nobody is paged",
            f"alertsync resolved their alert groups while they were silenced. The silence is over, and {held} keeps the pages "
            "back.",
            "Tell who is on call now. Then turn DRY_RUN off."
            if facts.dry_run
            else "Tell who is on call now. Then set REPAGE=true.",
            badge="Nobody paged",
            headline=f"Nobody is paged for {many(due, 'alert that fires', 'alerts that fire')} again.",
            place="owed",
        )
    elif due and not stuck:
        yield Concern(
            Tone.WARN,
            f"{many(due, 'page is', 'pages are')} due",
            "Alerts fire again after their silence, and IRM is being told. This lasts for moments.",
            "If it stays: the list of what is owed says why.",
            badge="Pages due",
            headline=f"Working. {many(due, 'page is', 'pages are')} due, and on the way to IRM.",
            place="owed",
        )


def _of_runs(facts: Facts) -> Iterator[Concern]:
    last = facts.last
    if facts.stuck_for:
        yield Concern(
            Tone.BAD,
            "The loop is stuck",
            f"It has not moved for {span(facts.stuck_for)}.",
            "Restart alertsync: another run begins at once, and what is owed is kept.",
            badge="Stuck",
            headline="Not working: the loop is stuck.",
        )
    elif facts.interval and not facts.leads and not facts.missing and last is not None:
        yield Concern(
            Tone.WARN,
            "No worker leads the loop",
            "So no run begins by itself. After a restart this lasts for seconds.",
            "If it stays: STATE_DIR must be a local disk that alertsync may write, and PostgreSQL, where DATABASE_URL is set, "
            "must be up. Its log says more.",
            badge="No leader",
            headline="No worker leads the loop, so no run begins by itself.",
        )
    if last is not None and last.status in (RunStatus.FAILED, RunStatus.INTERRUPTED):
        again = f" This was the {_nth(facts.failures)} in a row." if facts.failures > 1 else ""
        yield Concern(
            Tone.BAD,
            "The last run failed",
            f"{sentence(last.message)}{again}",
            f"{'The next run tries again by itself. ' if facts.interval else ''}This tells what is wrong and how to mend it:",
            command=_CHECK,
            badge="Failing",
            headline="Not working: the last run failed.",
        )
    elif last is not None and last.status is RunStatus.PARTIAL:
        yield Concern(
            Tone.WARN,
            "The last run could not do all that was due",
            sentence(last.message),
            badge="Partial",
            headline="Working, but not all that was due could be done.",
            place="history",
        )


def _of_means(facts: Facts) -> Iterator[Concern]:
    attention = facts.attention
    if attention.degraded:
        yield Concern(
            Tone.BAD,
            "The store is degraded",
            f"Nothing new is resolved until it can be written again: {sentence(attention.degraded)}",
            badge="Degraded",
            headline="Nothing new is resolved: the store cannot be written.",
        )
    if attention.cannot_act:
        yield Concern(
            Tone.BAD,
            "IRM does not let the token act",
            sentence(attention.cannot_act),
            "Give its user the role Editor, or use the token of another user. This tells whose it is:",
            command=_CHECK,
            badge="Cannot act",
            headline="Nothing can be done in IRM: it does not let the token act.",
        )
    if attention.heartbeat:
        yield Concern(
            Tone.WARN,
            "IRM does not hear our heartbeat",
            sentence(attention.heartbeat),
            "IRM pages when it has heard none for as long as is set there. This tells whether the integration has a heartbeat:",
            command=_CHECK,
            badge="Unheard",
            headline="Working, but IRM does not hear our heartbeat.",
        )
    for one in attention.brakes:
        yield Concern(
            Tone.WARN,
            f"The brake {one.brake} is engaged",
            one.meaning,
            "Preview what would be done without it, or lift it for one run:",
            command=one.lift,
            lift=one.brake,
            badge="Braked",
            headline="Working, but a brake holds something back.",
        )


def _of_mode(facts: Facts) -> Iterator[Concern]:
    if facts.dry_run:
        yield Concern(
            Tone.WATCH,
            "This is a dry run",
            facts.attention.mode,
            "Set DRY_RUN=false and restart alertsync, once you would have done what it says it would do.",
            badge="Dry run",
            headline="Watching only: this is a dry run, and nothing is acted upon.",
        )
    elif not facts.repage:
        yield Concern(
            Tone.WARN,
            "Pages are switched off",
            facts.attention.mode,
            "Set REPAGE=true and restart alertsync; what is owed is kept until then.",
            badge="No pages",
            headline="Working, but nobody is paged again: REPAGE is false.",
        )
    if not facts.interval and not facts.missing:
        yield Concern(
            Tone.IDLE,
            "The loop is off",
            "Runs begin only when somebody asks for one, and pages come back only then.",
            "Set RECONCILE_INTERVAL, such as to 60, or let a job ask for runs.",
        )


def _nth(count: int) -> str:
    last = 0 if count % 100 in (11, 12, 13) else count % 10
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{count}{ends.get(last, 'th')}"
