"""Every metric that describes reconciliation, in one place, under the names that dashboards know.

They are rendered once after each run, by whoever holds the run lock, and published; `/metrics` in any worker
only adds its own HTTP metrics and what changes between runs. That keeps one truth over all workers, and a scrape
costs a file read, not the rendering of a series for each alert.
"""

from alertsync.metrics.alerts import render_alerts
from alertsync.metrics.counting import count, count_actions
from alertsync.metrics.live import render_build, render_live
from alertsync.metrics.requests import render_requests
from alertsync.metrics.standing import render_standing

__all__ = [
    "count",
    "count_actions",
    "render_alerts",
    "render_build",
    "render_live",
    "render_requests",
    "render_standing",
]
