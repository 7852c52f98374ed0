"""Keeps what must outlive a run: the ledger, the history, how things stand, and the published pages."""

from alertsync.store.elsewhere import move_store
from alertsync.store.gate import WAIT_SECONDS
from alertsync.store.pages import Key, Page, key_of
from alertsync.store.pages import page as cut
from alertsync.store.schema import micros
from alertsync.store.store import Store
from alertsync.store.wanted import WantedActions, WantedRuns

__all__ = [
    "WAIT_SECONDS",
    "Key",
    "Page",
    "Store",
    "WantedActions",
    "WantedRuns",
    "cut",
    "key_of",
    "micros",
    "move_store",
]
