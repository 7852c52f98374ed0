"""Decides: a pure function of two snapshots, what is remembered, a policy and a time.

Nothing here imports a client, a clock or Flask; import-linter keeps it so. Read `plan.py` for the order of
things, `decide.py` for the table of decisions, and the others for the words in it: `provenance.py` (whose is
it), `evidence.py` (what its deliveries say), `membership.py` (who is in it), `silences.py` (for how long).
"""
