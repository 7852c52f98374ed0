"""The values that travel between the rooms: what was read, what was decided, what was done.

All are frozen, so that the plan that a person saw is the plan that was carried out, and all can be encoded
with msgspec, so that the dry run, the record, the page and the API show the same object. Words are those of
Alertmanager (alert, silence, receiver, fingerprint, aggregation group) and of Grafana IRM (alert group,
integration, delivery, state). Times are aware datetimes; a server's times are compared only with that
server's own clock, which is why each snapshot carries it.

Those of which there are many are made with `gc=False`: being frozen they cannot refer to themselves, and with tens of
thousands of alerts Python's search for such circles would cost as much as all the rest of a run.
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
    Brake,
    Decision,
    DecisionKind,
    Held,
    Member,
    Plan,
    Policy,
    Repage,
    Search,
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
from alertsync.models.ledger import (
    Address,
    Credentials,
    Debt,
    Lease,
    LeaseState,
    Ledger,
    LedgerChange,
    OwedAlert,
    Owing,
    Sighting,
)
from alertsync.models.requests import (
    REQUEST_BUCKETS,
    REQUEST_STATUSES,
    Durations,
    Operation,
    Requests,
)
from alertsync.models.runs import (
    DURATION_BUCKETS,
    Action,
    Counters,
    Explanation,
    IrmHeartbeat,
    Outcome,
    PlannedRepage,
    RepagedAlert,
    Run,
    RunStatus,
    Standing,
    Summary,
    Upstream,
)

__all__ = [
    "DURATION_BUCKETS",
    "REQUEST_BUCKETS",
    "REQUEST_STATUSES",
    "Action",
    "ActionKind",
    "Address",
    "AggregationGroup",
    "Alert",
    "AlertGroup",
    "AlertStatus",
    "AlertmanagerSnapshot",
    "Brake",
    "Counters",
    "Credentials",
    "Debt",
    "Decision",
    "DecisionKind",
    "Deliveries",
    "Delivery",
    "Durations",
    "Explanation",
    "Held",
    "Integration",
    "IrmHeartbeat",
    "IrmSnapshot",
    "Lease",
    "LeaseState",
    "Ledger",
    "LedgerChange",
    "LegacyAlert",
    "Matcher",
    "Member",
    "Operation",
    "Outcome",
    "OwedAlert",
    "Owing",
    "Plan",
    "PlannedRepage",
    "Policy",
    "Repage",
    "RepagedAlert",
    "Requests",
    "Run",
    "RunStatus",
    "Search",
    "Sighting",
    "Silence",
    "Snapshots",
    "Standing",
    "Summary",
    "Unreadable",
    "Upstream",
    "Webhook",
]
