"""Serves the simulated IRM by itself, for a demo whose other parts are real and run elsewhere: `python -m alertsync.simulator`.

It has one user and one integration, whose names the other parts must know before it starts. What happens in it is told on
stdout, as nobody else would: it has no pages of its own.
"""

from __future__ import annotations

import argparse
import sys

from alertsync.ending import Ending
from alertsync.simulator import irm_api
from alertsync.simulator.irm_model import Irm
from alertsync.simulator.wire import Server

TOKEN = "demo-token-of-an-editor"  # noqa: S105  the simulator's own
KEY = "demo"
_LOOK_SECONDS = 0.5


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    asked = _arguments()
    ending = Ending()
    irm = Irm(api_url=asked.url)
    irm.add_user(TOKEN, role="editor", email="demo@example.org")
    integration = irm.add_integration("Alertmanager", key=KEY)
    with Server(irm_api.create_app(irm), name="irm", port=asked.port, host=asked.host):
        _say(
            f"a simulated Grafana IRM listens on port {asked.port}; Alertmanager posts to {asked.url}{integration.path}"
        )
        _tell(irm, ending)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m alertsync.simulator", description="Serve a simulated Grafana IRM."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8081, help="port to listen on")
    parser.add_argument(
        "--url",
        default="http://localhost:8081",
        help="where the others find it, for the links in its answers",
    )
    return parser.parse_args()


def _tell(irm: Irm, ending: Ending) -> None:
    """Print each page and each change of an alert group, until told to end."""
    pages, states = 0, dict[str, str]()
    while not ending.wait(_LOOK_SECONDS):
        for page in irm.pages[pages:]:
            _say(f"pages: {irm.group(page.group_id).title} ({page.text})")
            pages += 1
        for group in irm.groups():
            before, states[group.id] = states.get(group.id), group.state
            if before != group.state:
                _say(f"{group.title} ({group.id}) is {group.state}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
