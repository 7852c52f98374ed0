"""Keeps Prometheus Alertmanager and Grafana IRM telling the same story."""

__version__ = "0.1.0"
