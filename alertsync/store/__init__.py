"""Keeps what must outlive a run: how things stand, the last decisions, and the newest runs."""
