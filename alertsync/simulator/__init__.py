"""Stand-ins for Alertmanager and Grafana IRM that speak the real wire.

Tests and the demo need both servers in states that the real ones reach only
after hours, and need them to fail on command. The simulators answer over HTTP,
as the real servers were observed to answer, so that the product is exercised
whole: its sockets, its parsing, its retries. The product never imports them.
"""
