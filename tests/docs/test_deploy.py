"""Holds the container image, the manifests and the example environment to the code that they start."""

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

import alertsync
from alertsync import bootstrap
from alertsync.web import create_app
from tests.deploy.dockerfile import exec_form, image_environment, instructions, last_stage
from tests.docs import settings
from tests.docs.readme import DEPLOYMENT, DOCS, ROOT, blocks, prose

BUNDLE = ROOT / "deploy" / "kubernetes" / "bundle.yaml"
CRONJOB = ROOT / "deploy" / "kubernetes" / "cronjob.yaml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()

Manifest = dict[str, Any]


def manifests(file: Path) -> dict[str, Manifest]:
    """Give the objects of a file by their kind; each kind stands there once."""
    found = [one for one in yaml.safe_load_all(file.read_text()) if one]
    kinds = {one["kind"]: one for one in found}
    assert len(kinds) == len(found)
    return kinds


@pytest.fixture
def bundle() -> dict[str, Manifest]:
    """Read the bundle."""
    return manifests(BUNDLE)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """Make the app."""
    return create_app(bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)})))


def pod_of(workload: Manifest) -> Manifest:
    """Give the pod's specification of a Deployment or a CronJob."""
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod: Manifest = spec["template"]["spec"]
    return pod


def pods() -> Iterator[Manifest]:
    """Give every pod that the manifests make."""
    yield pod_of(manifests(BUNDLE)["Deployment"])
    yield pod_of(manifests(CRONJOB)["CronJob"])


def environment(bundle: dict[str, Manifest]) -> dict[str, str]:
    """Give the environment of the container, as Kubernetes makes it."""
    return {**bundle["ConfigMap"]["data"], **bundle["Secret"]["stringData"]}


# --- Kubernetes -------------------------------------------------------------------------------------------


def test_the_bundle_holds_what_is_needed(bundle: dict[str, Manifest]) -> None:
    settings_and_state = {"ConfigMap", "Secret", "PersistentVolumeClaim"}
    around_it = {"Namespace", "ServiceAccount", "NetworkPolicy", "Service"}
    assert set(bundle) == {"Deployment"} | settings_and_state | around_it
    assert set(manifests(CRONJOB)) == {"CronJob"}


def test_everything_is_in_one_namespace(bundle: dict[str, Manifest]) -> None:
    name = bundle["Namespace"]["metadata"]["name"]
    others = [one for one in [*bundle.values(), *manifests(CRONJOB).values()] if one["kind"] != "Namespace"]
    assert {one["metadata"]["namespace"] for one in others} == {name}


def test_the_bundle_sets_only_what_exists_and_starts_as_a_dry_run(bundle: dict[str, Manifest]) -> None:
    values = environment(bundle)
    assert values.keys() <= settings.names()
    assert all(isinstance(value, str) for value in values.values())
    loaded = settings.load(values)
    assert not loaded.irm.problems
    assert loaded.policy.dry_run
    assert loaded.interval > 0


def test_secrets_stand_in_the_secret(bundle: dict[str, Manifest]) -> None:
    public = settings.load(bundle["ConfigMap"]["data"])
    assert public.secrets == ()
    assert settings.load(environment(bundle)).secrets == ("replace-me",)


def test_the_container_gets_the_environment_and_the_volumes_of_the_bundle(
    bundle: dict[str, Manifest],
) -> None:
    pod = pod_of(bundle["Deployment"])
    container = pod["containers"][0]
    sources = [source for one in container["envFrom"] for source in one.items()]
    assert sources == [
        ("configMapRef", {"name": bundle["ConfigMap"]["metadata"]["name"]}),
        ("secretRef", {"name": bundle["Secret"]["metadata"]["name"]}),
    ]
    claims = [
        one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one
    ]
    assert claims == [bundle["PersistentVolumeClaim"]["metadata"]["name"]]
    assert [one["name"] for one in container["volumeMounts"]] == [one["name"] for one in pod["volumes"]]


def test_one_pod_at_a_time_and_time_to_end(
    bundle: dict[str, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = bundle["Deployment"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    for name in settings.names():
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(bundle).items():
        monkeypatch.setenv(name, value)
    graceful = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["graceful_timeout"]
    assert pod_of(bundle["Deployment"])["terminationGracePeriodSeconds"] > graceful
    assert str(graceful) in BUNDLE.read_text().partition("terminationGracePeriodSeconds")[0].splitlines()[-2]
    stop_timeouts = re.findall(r"--stop-timeout (\d+)", DEPLOYMENT.read_text())
    assert stop_timeouts
    assert all(int(found) > graceful for found in stop_timeouts)


def test_probes_ask_for_addresses_that_exist(bundle: dict[str, Manifest], app: Flask) -> None:
    container = pod_of(bundle["Deployment"])["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.load(environment(bundle)).port}
    client = app.test_client()
    expected = {
        "startupProbe": 200,
        "livenessProbe": 200,
        "readinessProbe": 503,
    }  # IRM is not set in this app
    for probe, status in expected.items():
        asked = container[probe]["httpGet"]
        assert asked["port"] in ports
        assert client.get(asked["path"]).status_code == status
    assert container["livenessProbe"]["httpGet"]["path"] != container["readinessProbe"]["httpGet"]["path"]


def test_the_service_leads_to_the_pods_and_to_the_metrics(bundle: dict[str, Manifest], app: Flask) -> None:
    service, deployment = bundle["Service"], bundle["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["selector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    annotations = service["metadata"]["annotations"]
    port = pod_of(bundle["Deployment"])["containers"][0]["ports"][0]["containerPort"]
    assert annotations["prometheus.io/port"] == str(port)
    assert app.test_client().get(annotations["prometheus.io/path"]).status_code == 200


@pytest.mark.parametrize("pod", list(pods()), ids=["deployment", "cronjob"])
def test_pods_have_no_more_rights_than_they_need(pod: Manifest) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        tag = container["image"].rpartition(":")[2]
        assert re.fullmatch(r"\d+\.\d+\.\d+", tag)


def test_the_cron_job_asks_the_service_of_the_bundle_for_a_run(
    bundle: dict[str, Manifest], app: Flask
) -> None:
    job = manifests(CRONJOB)["CronJob"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    command = pod_of(job)["containers"][0]["command"]
    assert command[0] == "curl"
    assert "--fail-with-body" in command
    assert command[command.index("-X") + 1] == "POST"
    metadata, port = bundle["Service"]["metadata"], bundle["Service"]["spec"]["ports"][0]["port"]
    address, _, path = command[-1].removeprefix("http://").partition("/")
    assert address == f"{metadata['name']}.{metadata['namespace']}.svc:{port}"
    assert app.test_client().post(f"/{path}").status_code == 503  # it is there, and IRM is not set


def test_the_cron_job_waits_longer_than_a_run_may_take(bundle: dict[str, Manifest]) -> None:
    job = manifests(CRONJOB)["CronJob"]
    command = pod_of(job)["containers"][0]["command"]
    loaded = settings.load(environment(bundle))
    longest = loaded.reconcile_wait + loaded.run_timeout
    curl = int(command[command.index("--max-time") + 1])
    assert longest < curl < job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]


def test_the_cron_job_shows_the_token_of_the_secret(bundle: dict[str, Manifest]) -> None:
    container = pod_of(manifests(CRONJOB)["CronJob"])["containers"][0]
    (variable,) = container["env"]
    source = variable["valueFrom"]["secretKeyRef"]
    assert source == {"name": bundle["Secret"]["metadata"]["name"], "key": "TRIGGER_TOKEN", "optional": True}
    assert f"Authorization: Bearer $({variable['name']})" in container["command"]


def test_the_settings_that_the_manifests_suggest_exist() -> None:
    suggested = re.findall(r"^ *# ([A-Z_]+): \S+$", BUNDLE.read_text(), re.MULTILINE)
    assert {"WEB_USERNAME", "WEB_PASSWORD", "TRIGGER_TOKEN", "TRUSTED_PROXIES"} == set(suggested)
    assert set(suggested) <= settings.names()


def test_the_example_ingress_leads_to_the_service(bundle: dict[str, Manifest]) -> None:
    (ingress,) = (yaml.safe_load(block) for block in blocks(DOCS / "ACCESS.md", "yaml"))
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = bundle["Service"]
    assert ingress["metadata"]["namespace"] == service["metadata"]["namespace"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]
    prefix = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/x-forwarded-prefix"]
    asked = re.fullmatch(path["path"], f"{prefix}/api/v1/runs")
    assert asked
    assert asked[2] == "api/v1/runs"


def test_the_page_of_deployment_shows_the_command_of_the_cron_job() -> None:
    wanted = set(pod_of(manifests(CRONJOB)["CronJob"])["containers"][0]["command"])
    shown = [set(shlex.split(block)) for block in blocks(DEPLOYMENT, "sh") if block.startswith("curl --fail")]
    assert len(shown) == 1
    assert shown[0] <= wanted


# --- Docker -----------------------------------------------------------------------------------------------


def test_every_base_image_is_pinned_and_the_same() -> None:
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", bases.pop())


def test_everything_that_is_copied_exists_and_nothing_else_is_sent() -> None:
    copied = [
        source.rstrip("/")
        for word, rest in instructions()
        if word == "COPY" and "--from=" not in rest
        for source in rest.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in copied)
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied)


def test_the_image_holds_every_file_that_gunicorn_starts_from() -> None:
    copied = " ".join(rest for word, rest in instructions() if word == "COPY")
    assert all(name in copied for name in ("alertsync/", "wsgi.py", "gunicorn.conf.py", "requirements.txt"))


def test_the_image_runs_as_the_user_of_the_manifests(bundle: dict[str, Manifest]) -> None:
    user, group = last_stage()["USER"].split(":")
    context = pod_of(bundle["Deployment"])["securityContext"]
    assert (int(user), int(group)) == (context["runAsUser"], context["runAsGroup"])
    assert int(user) == context["fsGroup"] > 0


def test_state_has_one_place_in_image_manifests_and_page(bundle: dict[str, Manifest]) -> None:
    values = image_environment()
    place = values.pop("STATE_DIR")
    assert last_stage()["VOLUME"] == f'["{place}"]'
    assert f"-m 0750 {place}" in last_stage()["RUN"]
    mounts = {
        one["name"]: one["mountPath"] for one in pod_of(bundle["Deployment"])["containers"][0]["volumeMounts"]
    }
    assert mounts["state"] == place
    assert "STATE_DIR" not in environment(bundle)
    assert f":{place} --env-file .env -e STATE_DIR={place}" in DEPLOYMENT.read_text()
    assert values.keys() & settings.names() == set()
    assert values["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_image_starts_gunicorn_without_a_shell() -> None:
    stage = last_stage()
    assert stage["CMD"] == '["gunicorn"]'
    assert "ENTRYPOINT" not in stage
    assert stage["EXPOSE"] == str(settings.load({}).port)
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["wsgi_app"] == "wsgi:app"


def test_the_health_check_asks_for_liveness() -> None:
    check = last_stage()["HEALTHCHECK"]
    command = exec_form(check.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/healthz'" in command[2]
    assert f"'{settings.load({}).port}'" in command[2]


def test_the_version_is_the_same_everywhere(bundle: dict[str, Manifest]) -> None:
    version = alertsync.__version__
    assert f'org.opencontainers.image.version="{version}"' in DOCKERFILE
    assert pod_of(bundle["Deployment"])["containers"][0]["image"].endswith(f"alertsync:{version}")
    assert set(re.findall(r"alertsync:(\d+\.\d+\.\d+)", DEPLOYMENT.read_text())) == {version}
    assert f"## [{version}]" in prose(ROOT / "CHANGELOG.md")


# --- The example environment ------------------------------------------------------------------------------


def example() -> dict[str, str]:
    """Give the variables that .env.example sets, as `docker run --env-file` reads them."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_environment_loads_and_acts_on_nothing() -> None:
    loaded = settings.load(example())
    assert loaded.policy.dry_run
    assert loaded.interval == 60
    assert set(loaded.irm.problems) == {"GRAFANA_IRM_URL", "GRAFANA_IRM_TOKEN"}


def test_the_example_environment_loads_with_every_line_set_that_has_a_value() -> None:
    text = (ROOT / ".env.example").read_text()
    values = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.+)$", text, re.MULTILINE))
    assert settings.load(values).irm.rate_limit == settings.load({}).irm.rate_limit


def test_the_example_environment_means_the_same_to_a_shell() -> None:
    for line in (ROOT / ".env.example").read_text().splitlines():
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line):
            assert shlex.split(line.removeprefix("#"), comments=True) == [line.removeprefix("#")]
