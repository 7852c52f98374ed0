"""`demo`: the real service under gunicorn, against simulated servers, with a story that moves by itself.

What one sees is the product and nothing staged: the same gunicorn, the same settings, the same requests over
HTTP. Only the two servers are stand-ins (with `--alertmanager real`, only IRM is), and the clock runs as it does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

import alertsync
from alertsync.cli.voice import Voice
from alertsync.ending import Ending
from alertsync.simulator import alertmanager_api, irm_api
from alertsync.simulator.alertmanager_model import Alertmanager
from alertsync.simulator.irm_model import Irm
from alertsync.simulator.real_alertmanager import RealAlertmanager
from alertsync.simulator.scenario import DemoWorld, Scenario, demo_world
from alertsync.simulator.wire import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = "demo-token-of-an-editor"  # noqa: S105  the simulator's own
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
)
"""What the service gets of our environment: a newcomer's own settings must not reach the demo."""

_INTERVAL_SECONDS = 5
_START_SECONDS = 30.0
_STOP_SECONDS = 40.0
_POLL_SECONDS = 0.5
_HTTP_SECONDS = 5.0


def run(*, port: int, real: bool, seconds: float | None, as_json: bool = False) -> int:
    """Run the demo until Ctrl-C, SIGTERM, or for so many `seconds`; give the exit status."""
    ending, stop, voice = Ending(), threading.Event(), Voice(as_json=as_json)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alertsync-demo-")))
        irm = Irm(clock=lambda: datetime.now(tz=UTC))
        irm.add_user(_TOKEN, role="editor", email="demo@example.org")
        irm_server = stack.enter_context(Server(irm_api.create_app(irm), name="irm"))
        irm.api_url = irm_server.url
        world = demo_world(irm, irm_server.url)
        target = stack.enter_context(_alertmanager(world, directory, real=real))
        service = _start_service(port, target.url, irm_server.url, directory)
        stack.callback(_stop_service, service)
        if not _wait_for(service, port):
            voice.say("alertsync", f"did not start: is port {port} in use? Its log is on stderr")
            sys.stderr.write((directory / "alertsync.log").read_text())
            return 1
        kind = "the installed Alertmanager" if real else "a simulated Alertmanager"
        voice.introduce(
            f"alertsync {alertsync.__version__} runs under gunicorn, every {_INTERVAL_SECONDS} s, with {kind} and a simulated "
            "Grafana IRM.",
            port,
            {"alertmanager": target.url, "irm": irm_server.url, "token": _TOKEN},
        )
        story = threading.Thread(target=_tell, args=(target, stop, voice), daemon=True)
        story.start()
        _watch(service, port, irm, ending, seconds, voice=voice)
        stop.set()
        story.join(_HTTP_SECONDS)
        voice.say("demo", "ending")
    return 0


class _Simulated:
    """The simulated Alertmanager with its address, as the story wants it."""

    def __init__(self, model: Alertmanager, url: str) -> None:
        self.fire, self.end, self.silence, self.expire = model.fire, model.end, model.silence, model.expire
        self.url = url


@contextlib.contextmanager
def _alertmanager(
    world: DemoWorld, directory: Path, *, real: bool
) -> Iterator[_Simulated | RealAlertmanager]:
    if real:
        with RealAlertmanager(
            directory,
            routes=world.routes,
            inhibit_rules=world.inhibit_rules,
            webhooks=world.webhooks,
            group_interval="5s",
        ) as alertmanager:
            yield alertmanager
        return
    model = Alertmanager(
        clock=lambda: datetime.now(tz=UTC),
        routes=world.routes,
        inhibit_rules=world.inhibit_rules,
        webhooks=world.webhooks,
        group_interval=timedelta(seconds=5),
    )
    stop = threading.Event()
    dispatcher = threading.Thread(target=model.run, args=(stop,))
    with Server(alertmanager_api.create_app(model), name="alertmanager") as server:
        dispatcher.start()
        try:
            yield _Simulated(model, server.url)
        finally:
            stop.set()
            dispatcher.join()


def _start_service(port: int, alertmanager: str, irm: str, directory: Path) -> subprocess.Popen[bytes]:
    root = Path(alertsync.__file__).parent.parent
    own = {name: os.environ[name] for name in _KEPT if name in os.environ}
    settings = {
        "ALERTMANAGER_HOST": alertmanager,
        "GRAFANA_IRM_URL": irm,
        "GRAFANA_IRM_TOKEN": _TOKEN,
        "RECONCILE_INTERVAL": str(_INTERVAL_SECONDS),
        # The simulator has no limit, and the demo is in more of a hurry than a real user should be.
        "IRM_RATE_LIMIT": "100/second",
        "STATE_DIR": str(directory / "state"),
        "PORT": str(port),
        "ALERT_LABELS": "alertname,severity,instance",
        "ALERT_ANNOTATIONS": "summary",
    }
    # A demo is for those at this machine, so it listens on the loopback alone.
    command = [sys.executable, "-m", "gunicorn", "--config", str(root / "gunicorn.conf.py")]
    command += ["--bind", f"127.0.0.1:{port}"]
    with (directory / "alertsync.log").open("wb") as log:
        # A session of its own, so that Ctrl-C reaches only the demo, which then ends the service in order.
        return subprocess.Popen(  # noqa: S603  this very interpreter
            command, cwd=root, env=own | settings, stdout=log, stderr=log, start_new_session=True
        )


def _stop_service(service: subprocess.Popen[bytes]) -> None:
    service.terminate()
    try:
        service.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()


def _wait_for(service: subprocess.Popen[bytes], port: int) -> bool:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and service.poll() is None:
        if _get(port, "/healthz"):
            return service.poll() is None
        time.sleep(_POLL_SECONDS / 5)
    return False


def _get(port: int, path: str) -> dict[str, Any]:
    try:
        answer = requests.get(f"http://127.0.0.1:{port}{path}", timeout=_HTTP_SECONDS)
        found: dict[str, Any] = answer.json() if answer.ok else {}
    except (requests.RequestException, ValueError):
        return {}
    return found


def _tell(target: _Simulated | RealAlertmanager, stop: threading.Event, voice: Voice) -> None:
    try:
        Scenario().run(target, stop, lambda text: voice.say("story", text))
    except requests.RequestException as error:
        if not stop.is_set():
            voice.say("story", f"ended early: {error}")


def _watch(  # noqa: PLR0913  all that the demo consists of
    service: subprocess.Popen[bytes],
    port: int,
    irm: Irm,
    ending: Ending,
    seconds: float | None,
    *,
    voice: Voice,
) -> None:
    """Print each page that IRM sends and each thing that alertsync does, until told to end."""
    ends = time.monotonic() + (seconds if seconds is not None else float("inf"))
    pages, seen, left_alone = 0, "", ""
    while not ending.wait(_POLL_SECONDS) and time.monotonic() < ends:
        if service.poll() is not None:
            voice.say("alertsync", "has ended unexpectedly")
            return
        for page in irm.pages[pages:]:
            voice.say("IRM", f"pages: {irm.group(page.group_id).title or page.group_id} ({page.text})")
            pages += 1
        last = _get(port, "/readyz").get("last_run") or {}
        if last.get("run_id") not in ("", None, seen):
            seen = last["run_id"]
            left_alone = _tell_run(_get(port, f"/api/v1/runs/{seen}"), left_alone, voice)


def _done(outcome: str) -> str:
    return "re-paged" if outcome == "posted" else outcome.replace("_", " ")


def _tell_run(run: dict[str, Any], left_alone: str, voice: Voice) -> str:
    """Print what a run did, and what it left alone if that is news; give what it left alone."""
    decisions = {one["alert_group_id"]: one for one in run.get("decisions", [])}
    for action in run.get("actions", []):
        why = "; ".join(filter(None, (action["reason"], action["detail"])))
        voice.say("alertsync", f"{_done(action['outcome'])} {action['title']}: {why}")
    if run.get("status") == "failed":
        voice.say("alertsync", run["message"])
    telling = ("PARTIALLY_SILENCED", "MUTED", "SILENCE_ENDING", "GONE", "MEMBERS_UNPROVEN")
    now = "; ".join(
        f"{one['title']} is {one['decision']} ({one['reason']})"
        for one in decisions.values()
        if one["decision"] in telling
    )
    if now and now != left_alone:
        voice.say("alertsync", f"leaves alone: {now}")
    return now
