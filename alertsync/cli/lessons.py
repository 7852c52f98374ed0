"""What the help says: for each command what it does to the world, lines to copy, and the exit statuses."""

from __future__ import annotations

from typing import NamedTuple

PROGRAM = "python -m alertsync"


class Lesson(NamedTuple):
    """What there is to say about a command: in a line, in a paragraph, and below its options."""

    short: str
    about: str
    more: str


ABOUT = """\
Keeps Prometheus Alertmanager and Grafana IRM telling the same story: it closes in IRM what somebody has silenced in
Alertmanager, and pages again when the silence ends and its alerts still fire.

The service does so by itself; these commands are for a person, or a script, on the same host. Only run acts.
"""
EPILOG = f"""\
examples:
  {PROGRAM} check                  is all well, and if not, what to do
  {PROGRAM} plan                   what would be done now, and why
  {PROGRAM} explain IPGQOUSLM4JUA  why it is decided as it is
  {PROGRAM} history --debts        which pages are still owed

exit status:
  0    done
  1    failed; the last lines say why
  2    wrong usage
  3    partial: something that was due could not be done
  130  interrupted by Ctrl-C

Settings are environment variables, those of the service; docs/CONFIGURATION.md lists them. Tables fit the terminal; through a
pipe they are plain and nothing is cut. NO_COLOR=1 takes the colours away. --json prints JSON for scripts.
"""


CHECK = Lesson(
    "look at the settings, both systems and the token, and tell what is wrong",
    """\
Looks at the settings, reaches Alertmanager (each peer) and Grafana IRM, tells whose token it is and whether it may act,
and how many open alert groups can be matched. Changes nothing anywhere. A line that begins with «error» says what to do.
""",
    f"""\
examples:
  {PROGRAM} check
  {PROGRAM} check --json | jq .findings

exit status: 0 if nothing is wrong (warnings may be), 1 if there is an error
""",
)
PLAN = Lesson(
    "show what would be done now, and act on nothing",
    """\
Reads both systems and decides about every open alert group, as a run would. Shows what would be done, what is held back
and by what, and what is left alone, each with its reason. Acts on nothing, and leaves metrics and pages as they are.
""",
    f"""\
examples:
  {PROGRAM} plan
  {PROGRAM} plan --json | jq '.decisions[] | select(.inconsistent)'

exit status: 0 if it could look, 1 if it could not, 3 if something that is due could not be done now
""",
)
RUN = Lesson(
    "run once, for real unless DRY_RUN is set",
    """\
Runs once, now, as the loop of the service does: resolves or silences in IRM what is silenced in Alertmanager, and pages
for what is owed. Waits for a run that goes on already, RECONCILE_WAIT seconds at most. Ctrl-C ends it between two
actions. With DRY_RUN=true it acts on nothing; «plan» never does.
""",
    f"""\
examples:
  {PROGRAM} run
  {PROGRAM} run --lift max_actions    all at once that is due
  {PROGRAM} run --json > run.json

exit status: 0 all done that was due, 1 it failed or was interrupted, 3 something that was due could not be done
""",
)
EXPLAIN = Lesson(
    "read one alert group now, and tell why it is decided as it is",
    """\
Reads one alert group, open or resolved, all that was delivered into it, and what Alertmanager holds of it now. Tells
what is decided about it and why, who silenced what, what alertsync did about it and what it owes. Changes nothing.
""",
    f"""\
examples:
  {PROGRAM} explain IPGQOUSLM4JUA
  {PROGRAM} explain IPGQOUSLM4JUA --json

exit status: 0 explained, 1 it cannot be read, or there is no such alert group
""",
)
HISTORY = Lesson(
    "list what was done and is owed, newest first",
    """\
Lists the runs, the actions, the debts, the silences of ours in Alertmanager or what IRM's webhooks told, as kept in
STATE_DIR. Reaches neither Alertmanager nor IRM, and works while the service is down.
""",
    f"""\
examples:
  {PROGRAM} history            the last 50 runs
  {PROGRAM} history --actions --limit 10
  {PROGRAM} history --debts    what is owed, and what is over
  {PROGRAM} history --silences
  {PROGRAM} history --json --limit 500

exit status: 0 listed, 1 the history cannot be read
""",
)
MIGRATE_STORE = Lesson(
    "move the state from its file to PostgreSQL, or back",
    """\
Moves all that is kept, debts and history, between the file in STATE_DIR and the database that DATABASE_URL names. Stop
alertsync on every host first. It writes over nothing, and keeps what it moved under another name.
""",
    f"""\
examples:
  {PROGRAM} migrate-store postgresql
  {PROGRAM} migrate-store sqlite       back; then unset DATABASE_URL

exit status: 0 moved, 1 nothing was moved; the last line says why
""",
)
DEMO = Lesson(
    "run the real service against simulated servers, and watch it work",
    """\
Starts the real service on this machine, a simulated Alertmanager and a simulated IRM, and lets alerts fire, get silenced
and end. Prints what happens and which addresses to open. Needs no settings and reaches nobody. Ctrl-C ends everything.
""",
    f"""\
examples:
  {PROGRAM} demo
  {PROGRAM} demo --port 9000 --seconds 60
  {PROGRAM} demo --json | jq -r .text

exit status: 0 ended, 1 it could not start
""",
)
