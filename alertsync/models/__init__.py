"""The values that travel between the rooms: what was read, what was decided, what was done.

All are frozen, so that the plan that a person saw is the plan that was carried out, and all can be encoded
with msgspec, so that the dry run, the record, the page and the API show the same object. Words are those of
Alertmanager (alert, silence, receiver, fingerprint, aggregation group) and of Grafana IRM (alert group,
integration, delivery, state). Times are aware datetimes; a server's times are compared only with that
server's own clock, which is why each snapshot carries it.
"""

from alertsync.models.alertmanager import (
    AggregationGroup,
    Alert,
    AlertmanagerSnapshot,
    AlertStatus,
    Matcher,
    Silence,
)
from alertsync.models.decisions import (
    ActionKind,
    Decision,
    DecisionKind,
    Held,
    Member,
    Plan,
    Policy,
    Snapshots,
)
from alertsync.models.irm import (
    AlertGroup,
    Deliveries,
    Delivery,
    Integration,
    IrmSnapshot,
    LegacyAlert,
    Unreadable,
    Webhook,
)
from alertsync.models.runs import (
    DURATION_BUCKETS,
    Action,
    Counters,
    Outcome,
    Run,
    RunStatus,
    Standing,
    Summary,
    Upstream,
)

__all__ = [
    "DURATION_BUCKETS",
    "Action",
    "ActionKind",
    "AggregationGroup",
    "Alert",
    "AlertGroup",
    "AlertStatus",
    "AlertmanagerSnapshot",
    "Counters",
    "Decision",
    "DecisionKind",
    "Deliveries",
    "Delivery",
    "Held",
    "Integration",
    "IrmSnapshot",
    "LegacyAlert",
    "Matcher",
    "Member",
    "Outcome",
    "Plan",
    "Policy",
    "Run",
    "RunStatus",
    "Silence",
    "Snapshots",
    "Standing",
    "Summary",
    "Unreadable",
    "Upstream",
    "Webhook",
]
