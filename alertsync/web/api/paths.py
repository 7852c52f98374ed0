"""What stands at each address, written by hand: what it is for, what it takes, and how it can answer."""

from __future__ import annotations

from alertsync.web.api import parameters as take
from alertsync.web.api.operations import (
    NO_BODY,
    Described,
    content,
    form,
    leading,
    operation,
    page,
    polled,
    text,
    trigger,
)
from alertsync.web.api.silence_paths import SILENCES

TAGS = {
    "State": "How things stand, and what was decided.",
    "Runs": "What starts a run, or shows what one would do.",
    "History": "What was done and is owed, newest first, page by page.",
    "Silences": "Silences in Alertmanager that are ours: they follow those of people in IRM, or were asked for here.",
    "Alerts": "What both systems say.",
    "Operation": "For probes and for Prometheus; open to all.",
    "Pages": "For people, in a browser.",
}

_STATE: dict[str, Described] = {
    "GET /api/v1/status": polled(
        "State",
        "status",
        "How things stand",
        "Status",
        description="Mode, loop, both systems as last seen, what holds alertsync back, what it owes, the last run, and "
        "how far the one is that goes on. Reaches neither system.",
    ),
    "GET /api/v1/decisions": polled(
        "State",
        "decisions",
        "The decisions of a run",
        "Decisions",
        *take.PAGING,
        take.DECIDED_BY,
        take.DECISION,
        take.INCONSISTENT,
        take.WORDS,
        problems=(400, 404),
        description="Those about the newest alert groups first. Runs that go on meanwhile repeat none on the next page, "
        "and hide none.",
    ),
    "GET /api/v1/events": operation(
        "State",
        "events",
        "How things change",
        text("text/event-stream"),
        problems=(400, 503),
        description="Server-sent events. `progress`: how far the run is that goes on, or null. `run`: the last run, at "
        "first and whenever another one has ended. The stream ends after some minutes; ask again.",
    ),
    "GET /api/v1/alert-groups/{alert_group_id}": operation(
        "State",
        "explain",
        "Why an alert group is decided as it is",
        content("Explanation"),
        take.ALERT_GROUP_PATH,
        problems=(400, 404, 502, 503),
        description="Reads both systems now, for one request at a time.",
    ),
}

_RUNS: dict[str, Described] = {
    "POST /api/v1/plan": trigger(
        "Runs",
        "make-plan",
        "Decide now, and act on nothing",
        content("Run"),
        take.WAIT,
        description="What would be done: a dry run, which takes its turn with the runs. It changes nothing but the "
        "newest plan.",
    ),
    "GET /api/v1/plan": polled(
        "Runs", "plan", "The newest plan that was asked for", "Run", problems=(400, 404)
    ),
    "POST /reconcile": leading(
        trigger(
            "Runs",
            "reconcile",
            "Run now",
            {**content("Run"), **text("text/plain")},
            take.DRY_RUN,
            take.WAIT,
            take.LIFT,
            description="Decides, and does what is due: this resolves alert groups in IRM, and pages people.",
        ),
        303,
        "The page of the run.",
    ),
    "GET /reconcile": leading(
        page("reconcile-page", "Leads to the page with the button", problems=(400, 405)), 302, "That page."
    ),
}

_HISTORY: dict[str, Described] = {
    "GET /api/v1/runs": polled(
        "History", "runs", "The runs", "RunList", *take.PAGING, take.STATUS, take.TRIGGER, take.SINCE
    ),
    "GET /api/v1/runs/{run_id}": operation(
        "History",
        "run",
        "One run",
        content("Run"),
        take.RUN_PATH,
        problems=(400, 404),
        description="Also while it goes on. The newest 200 have their decisions, at most 1000 each.",
    ),
    "GET /api/v1/actions": polled(
        "History",
        "actions",
        "What was done",
        "ActionList",
        *take.PAGING,
        take.KIND,
        take.OUTCOME,
        take.OF_ALERT_GROUP,
        take.OF_RUN,
        take.SINCE,
    ),
    "GET /api/v1/debts": polled(
        "History",
        "debts",
        "What is owed to IRM",
        "DebtList",
        *take.PAGING,
        take.STATE,
        take.OF_ALERT_GROUP,
        description="What was resolved because of a silence, and is paged again when that ends and the alert fires on.",
    ),
}

_ALERTS: dict[str, Described] = {
    "GET /all-alerts": operation(
        "Alerts",
        "all-alerts",
        "Alertmanager's alerts, read now",
        content("Alerts"),
        problems=(400, 502, 503, 504),
    ),
    "GET /grafana-alerts": operation(
        "Alerts",
        "grafana-alerts",
        "IRM's open alert groups, all of them, from the last run",
        content("LastDecisions"),
        problems=(400,),
    ),
}

_OPERATION: dict[str, Described] = {
    "GET /healthz": operation(
        "Operation",
        "liveness",
        "Whether the loop moves",
        content("Liveness"),
        problems=(503,),
        guarded=False,
    ),
    "GET /readyz": operation(
        "Operation", "readiness", "Whether the settings suffice", content("Readiness"), guarded=False
    ),
    "GET /metrics": operation(
        "Operation", "metrics", "Metrics for Prometheus", text("text/plain"), guarded=False
    ),
}
# What is missing is told in the same shape as what is there.
_OPERATION["GET /readyz"]["responses"]["503"] = {
    "description": "Settings of IRM are missing; `missing` says which.",
    "content": content("Readiness"),
}

_PAGES: dict[str, Described] = {
    "GET /": operation(
        "Pages",
        "index",
        "What is there; in a browser, how things stand",
        {**content("Index"), **text("text/html")},
    ),
    "GET /inconsistencies": page("inconsistencies-page", "What is inconsistent", *take.SHOWN),
    "GET /owed": page("owed-page", "What is owed", *take.OWING),
    "GET /history": page("history-page", "Runs and actions", *take.PAST),
    "GET /runs/{run_id}": page(
        "run-page", "How far a run is, or how it ended", take.RUN_PATH, *take.SHOWN, problems=(400, 404)
    ),
    "GET /alert-groups/{alert_group_id}": page(
        "alert-group-page",
        "The story of one alert group",
        take.ALERT_GROUP_PATH,
        *take.DONE,
        problems=(400, 404, 503),
    ),
    "GET /silences": page("silences-page", "The silences that are ours, and what IRM told", *take.OWN),
    "POST /silences": leading(
        {
            **page(
                "silence-form",
                "What the form of an alert group asks for",
                problems=(400, 403, 404, 409, 413, 415, 500, 502, 503),
            ),
            "requestBody": form("SilenceWanted"),
        },
        303,
        "The page of the alert group.",
    ),
    "POST /silences/{silence_id}/end": leading(
        {
            **page(
                "end-silence-form",
                "What the button of a silence asks for",
                take.SILENCE_PATH,
                problems=(400, 403, 404, 409, 413, 415, 500, 502, 503),
            ),
        },
        303,
        "The page of the silences.",
    ),
    "POST /preview": leading(
        {
            **page(
                "preview-page",
                "What would be done",
                take.LIFT,
                problems=(400, 403, 409, 413, 415, 500, 503),
            ),
            "requestBody": NO_BODY,
        },
        303,
        "The page of the dry run that it began.",
    ),
    "GET /api/v1/docs": page("docs-page", "This document, for people"),
    "GET /api/v1/openapi.json": polled("Pages", "openapi", "This document", "Document"),
    "GET /static/{filename}": operation(
        "Pages",
        "static",
        "Style sheets and scripts of the pages",
        {"*/*": {"schema": {"type": "string"}}},
        take.FILE_PATH,
        problems=(404,),
        guarded=False,
    ),
}

OPERATIONS: dict[str, Described] = {
    **_STATE,
    **_RUNS,
    **_HISTORY,
    **SILENCES,
    **_ALERTS,
    **_OPERATION,
    **_PAGES,
}
"""Every operation, by "METHOD /path"."""
