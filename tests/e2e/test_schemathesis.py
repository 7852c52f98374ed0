"""schemathesis asks the running service for everything that its document promises, and for much that it forbids.

It finds answers that are not described, valid requests that are refused, invalid ones that are not, and methods that
should not be there. What it asks is the same in every run.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.worlds import World, simulated_world
from tests.service import Service, environment

EXAMPLES = 15
CONFIGURATION = """
[warnings]
fail-on = true

[[operations]]
include-operation-id = "reconcile-page"
headers = { Accept = "text/html" }

[[operations]]
include-operation-id = "static"
parameters = { filename = "style.css" }

[[operations]]
include-operation-id = "webhook"
headers = { Authorization = "Basic aXJtOnRoZS1wYXNzd29yZC1vZi1pcm0=" }
"""
"""The page is there for browsers alone; no file is found by chance; and IRM's address has a password of its own."""
SILENCE = """
[[operations]]
include-operation-id = "end-silence"
parameters = {{ silence_id = "{0}" }}

[[operations]]
include-operation-id = "end-silence-form"
parameters = {{ silence_id = "{0}" }}
"""
"""Nor is a silence of ours: one is ended again and again."""
WEBHOOK = {"WEBHOOK_USERNAME": "irm", "WEBHOOK_PASSWORD": "the-password-of-irm"}


def asked_for(service: Service) -> dict[str, Any]:
    """Give the document, with a cursor that there is in place of any text: no schema says what a cursor is made of.

    Nor does one say which alert groups there are.

    The stream of events is left out: who asks for it waits for minutes.
    """
    document: dict[str, Any] = service.get("/api/v1/openapi.json").json()
    cursor = service.get("/api/v1/runs?limit=1").json()["next"]
    assert cursor
    del document["paths"]["/api/v1/events"]
    acted = {one["alert_group_id"] for one in service.get("/api/v1/actions").json()["items"]}
    group_id = document["components"]["schemas"]["SilenceWanted"]["properties"]["alert_group_id"]
    group_id["enum"] = sorted(acted)
    for methods in document["paths"].values():
        for operation in methods.values():
            # `before` is another name of `cursor`, and both together are refused.
            kept = [one for one in operation.get("parameters", ()) if one["name"] != "before"]
            for one in kept:
                if one["name"] == "cursor":
                    one["schema"] = {"type": "string", "enum": [cursor]}
            operation["parameters"] = kept
    return document


def schemathesis(
    service: Service, directory: Path, document: dict[str, Any], *more: str, silence_id: str = "none"
) -> tuple[int, str]:
    """Let it loose upon the service, where there is this silence; give its exit status and what it says."""
    (directory / "openapi.json").write_text(json.dumps(document))
    (directory / "schemathesis.toml").write_text(CONFIGURATION + SILENCE.format(silence_id))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
            *("run", "openapi.json", "--url", service.url, "--no-color"),
            *("--checks", "all", "--generation-deterministic", "--max-examples", str(EXAMPLES)),
            *("--request-timeout", "20"),
            *more,
        ],
        cwd=directory,
        env=environment(directory, {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


def filled(world: World, service: Service) -> None:
    """Let there be something to find."""
    world.fire("DiskFull", "a", "b")
    world.silence("DiskFull")
    world.fire("HighLatency", "a", "b")
    world.silence("HighLatency", instance="a")
    for _ in range(2):
        service.reconcile()
    wanted = {
        "duration": 3600,
        "comment": "db migration",
        "alert_group_id": world.irm.group("HighLatency").id,
    }
    assert service.ask("POST", "/api/v1/silences", json=wanted).status_code == 201


@pytest.mark.timeout(130)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with simulated_world() as world, Service(tmp_path, world.settings(**WEBHOOK)) as service:
        filled(world, service)
        document = asked_for(service)
        (silence,) = service.get("/api/v1/silences").json()["items"]
        status, said = schemathesis(service, tmp_path, document, silence_id=silence["id"])
        assert status == 0, said
        operations = sum(len(methods) for methods in document["paths"].values())
        assert f"Tested: {operations}" in said
        assert not service.events(level="error")


def test_schemathesis_would_find_an_answer_that_is_not_as_described(tmp_path: Path) -> None:
    with simulated_world() as world, Service(tmp_path, world.settings()) as service:
        filled(world, service)
        document = asked_for(service)
        runs = document["paths"]["/api/v1/runs"]["get"]
        del runs["responses"]["400"]
        document["components"]["schemas"]["Status"]["properties"]["version"] = {"type": "integer"}
        document["paths"] = {path: document["paths"][path] for path in ("/api/v1/runs", "/api/v1/status")}
        status, said = schemathesis(service, tmp_path, document)
        assert status == 1, said
        assert "Undocumented status code" in said
        assert "Response violates schema" in said


def test_schemathesis_gets_in_with_the_password_and_nowhere_without(tmp_path: Path) -> None:
    secrets = {
        "WEB_USERNAME": "ana",
        "WEB_PASSWORD": "the-password-of-ana",
        "TRIGGER_TOKEN": "the-token-of-scripts",
    }
    with simulated_world() as world, Service(tmp_path, world.settings(**secrets)) as service:
        answer = service.get("/api/v1/openapi.json", auth=("ana", "the-password-of-ana"))
        document = answer.json()
        document["paths"] = {
            path: document["paths"][path] for path in ("/api/v1/status", "/api/v1/plan", "/readyz")
        }
        status, said = schemathesis(
            service, tmp_path, document, "--auth", "ana:the-password-of-ana", "--warnings", "off"
        )
        assert status == 0, said
