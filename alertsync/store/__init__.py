"""Keeps what must outlive a run: the ledger, the history, how things stand, and the published pages."""

from alertsync.store.gate import WAIT_SECONDS
from alertsync.store.pages import Page
from alertsync.store.store import Store

__all__ = ["WAIT_SECONDS", "Page", "Store"]
