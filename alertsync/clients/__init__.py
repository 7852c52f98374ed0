"""The edges: how alertsync speaks to Alertmanager and to Grafana IRM. Clients do I/O and decide nothing."""
