"""What stands at the addresses of silences: those for programs, and the one that IRM posts to."""

from __future__ import annotations

from alertsync.web.api import parameters as take
from alertsync.web.api.operations import NO_BODY, Described, body, content, created, operation, polled

SILENCES: dict[str, Described] = {
    "GET /api/v1/silences": polled(
        "Silences",
        "silences",
        "The silences that are ours",
        "OwnSilenceList",
        *take.PAGING,
        take.SILENCE_STATE,
        take.OF_ALERT_GROUP,
        description="Those that follow a silence in IRM, and those that were made here by hand.",
    ),
    "POST /api/v1/silences": created(
        {
            **operation(
                "Silences",
                "make-silence",
                "Silence the alerts of an alert group in Alertmanager",
                content("SilenceDone"),
                problems=(400, 403, 404, 409, 413, 415, 500, 502, 503),
                description="Makes as few silences as catch exactly the alerts that the alert group has now, and no other "
                "that is known. They are plain silences: what becomes of the alert group in IRM is decided as if a person "
                "had made them in Alertmanager.",
            ),
            "requestBody": body("SilenceWanted", "For which alert group, for how long, and why."),
        }
    ),
    "DELETE /api/v1/silences/{silence_id}": {
        **operation(
            "Silences",
            "end-silence",
            "End a silence that is ours",
            content("SilenceDone"),
            take.SILENCE_PATH,
            problems=(400, 403, 404, 409, 413, 415, 500, 502, 503),
            description="One that follows a silence in IRM ends in Alertmanager only, and stays ended until the alert group "
            "is silenced anew.",
        ),
        "requestBody": NO_BODY,
    },
    "POST /webhook": {
        **operation(
            "Silences",
            "webhook",
            "Take in what an outgoing webhook of IRM tells",
            content("Receipt"),
            problems=(400, 404, 413, 415, 503),
            description="For IRM alone, with a user name and a password of its own; 404 where those are not set. Events that "
            "are not about silences are ignored, and the answer says why. Fields that are not named here may be anything.",
        ),
        "security": [{"webhook": []}],
        "requestBody": body("Delivered", "What IRM sends where the webhook has no template."),
    },
}
