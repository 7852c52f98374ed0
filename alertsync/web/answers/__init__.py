"""The shapes of what the API answers: `views.py` fills them, and the OpenAPI document is made from them.

So what is described cannot differ from what is sent. Where a value of `models/` is shown as it is, it is its own shape.
"""

from alertsync.web.answers.alert_groups import (
    AlertGroup,
    Alerts,
    Debt,
    DebtList,
    Delivery,
    Explanation,
    LegacyDelivery,
    UnreadableDelivery,
    WebhookDelivery,
)
from alertsync.web.answers.runs import (
    ActionList,
    Decision,
    Decisions,
    LastDecisions,
    Member,
    Run,
    RunBegun,
    RunList,
    Silence,
)
from alertsync.web.answers.silences import (
    Origin,
    OwnSilence,
    OwnSilenceList,
    Receipt,
    SilenceDone,
    SilenceState,
)
from alertsync.web.answers.status import (
    Index,
    LastSeen,
    Liveness,
    Loop,
    Mode,
    Readiness,
    Seen,
    Status,
    Upstreams,
)

__all__ = [
    "ActionList",
    "AlertGroup",
    "Alerts",
    "Debt",
    "DebtList",
    "Decision",
    "Decisions",
    "Delivery",
    "Explanation",
    "Index",
    "LastDecisions",
    "LastSeen",
    "LegacyDelivery",
    "Liveness",
    "Loop",
    "Member",
    "Mode",
    "Origin",
    "OwnSilence",
    "OwnSilenceList",
    "Readiness",
    "Receipt",
    "Run",
    "RunBegun",
    "RunList",
    "Seen",
    "Silence",
    "SilenceDone",
    "SilenceState",
    "Status",
    "UnreadableDelivery",
    "Upstreams",
    "WebhookDelivery",
]
