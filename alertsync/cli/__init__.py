"""The commands of `python -m alertsync`, one module each."""
