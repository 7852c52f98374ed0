"""What the demo says, and to whom: a person at a terminal, or a script."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from alertsync.cli.paper import printable

_ADDRESSES = {
    "/": "is it working? and the other pages",
    "/grafana-alerts": "IRM's open alert groups, each with its decision and reason",
    "/all-alerts": "Alertmanager's alerts, each with its silences",
    "/metrics": "what Prometheus scrapes",
    "/readyz": "readiness, and both servers as last seen",
}


class Voice:
    """Prints what happens: a line of text each, or with `as_json` a JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, who: str, text: str, **more: object) -> None:
        """Tell who did something and what; `more` is for scripts."""
        now = datetime.now(tz=UTC)
        if self._as_json:
            line = json.dumps({"time": now.isoformat(), "who": who, "text": text, **more})
        else:
            line = f"{now.astimezone():%H:%M:%S}  {who:<12}  {printable(text)}"
        self._write(f"{line}\n")

    def introduce(self, text: str, port: int, servers: dict[str, str]) -> None:
        """Tell what runs on this port and which addresses to open; `servers` are the others, and the token of IRM."""
        addresses = {f"http://localhost:{port}{path}": what for path, what in _ADDRESSES.items()}
        if self._as_json:
            self.say("demo", text, addresses=addresses, **servers)
            return
        width = max(map(len, addresses))
        listed = "\n".join(f"  {address:<{width}}  {what}" for address, what in addresses.items())
        self._write(
            f"\n{text}\n\n{listed}\n\n"
            f"  {servers['alertmanager']} is Alertmanager, {servers['irm']} is IRM (token {servers['token']}).\n\n"
            "Within a minute you see an inconsistency found and resolved. Ctrl-C ends everything.\n\n"
        )

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
