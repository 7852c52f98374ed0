"""The chart, as helm reads it: each set of values makes objects that Kubernetes takes and alertsync runs on."""

import json
import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

import alertsync
from alertsync import bootstrap
from alertsync.web import create_app
from tests.deploy.generated import BUNDLE, CHART, MONITORING, ROOT, secrets
from tests.deploy.manifests import Manifest, by_kind, pod_of, read, validate
from tests.deploy.programs import output, run
from tests.docs import settings
from tests.docs.readme import code, tables

RELEASE = "ops"
NAME = "ops-alertsync"
VALUES = {file.name.removesuffix("-values.yaml"): file for file in sorted((CHART / "ci").iterdir())}
VOLUME = VALUES["volume"]
SECRET = "of-the-secret-that-is-mounted"
MOUNTED = "/etc/alertsync/secrets"
OPERATED = {"PodMonitor", "PrometheusRule"}


@cache
def rendered(name: str) -> dict[tuple[str, str], Manifest]:
    """Let helm make the objects of a set of values, once."""
    arguments = (RELEASE, CHART, "--namespace", "alerts", "--values", VALUES[name])
    return read(output("helm", "template", *arguments))


def one(name: str, kind: str) -> Manifest:
    """Give the object of a kind, or of several the one that is called like the release."""
    found = {called: it for (is_of, called), it in rendered(name).items() if is_of == kind}
    return found[NAME] if len(found) > 1 else found.popitem()[1]


def made(name: str, kind: str, called: str) -> Manifest:
    """Give an object by its kind and name."""
    return rendered(name)[kind, called]


def kinds(name: str) -> set[str]:
    """Give the kinds of objects that a set of values makes."""
    return {kind for kind, _ in rendered(name)}


def pods(name: str) -> list[Manifest]:
    """Give the specification of every pod: that of the service, and that of `helm test`."""
    return [pod_of(one(name, "Deployment")), one(name, "Pod")["spec"]]


def selected(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Tell whether labels are selected."""
    return selector.items() <= labels.items()


def environment(name: str, pod: Manifest, secret_files: Path) -> dict[str, str]:
    """Give what a container of the chart sees, with a value for each secret; files lie where a test can have them."""
    (container,) = pod["containers"]
    values = dict(one(name, "ConfigMap")["data"])
    for variable in container.get("env", ()):
        value = variable.get("value", SECRET)
        if value.startswith(MOUNTED):
            file = secret_files / Path(value).name
            file.write_text(SECRET)
            value = str(file)
        values[variable["name"]] = value
    return values


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """Make the app."""
    return create_app(bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)})))


# --- As helm and Kubernetes see it ------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], *(["--values", file] for file in VALUES.values())])
def test_helm_finds_nothing_to_complain_about(arguments: list[str | Path]) -> None:
    said = output("helm", "lint", "--strict", "--quiet", CHART, *arguments)
    assert not re.search(r"WARN|ERROR", said)


@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_knows_every_field(name: str) -> None:
    validate(rendered(name).values())


@pytest.mark.parametrize("name", VALUES)
def test_everything_is_in_the_namespace_of_the_release_and_says_whose_it_is(name: str) -> None:
    for made in rendered(name).values():
        assert made["metadata"]["namespace"] == "alerts"
        assert made["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE
        assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_the_values_of_the_tests_switch_on_everything_that_there_is() -> None:
    written = {
        kind
        for file in (CHART / "templates").rglob("*.yaml")
        for kind in re.findall(r"^kind: (\w+)$", file.read_text(), re.MULTILINE)
    }
    assert set.union(*map(kinds, VALUES)) == written


def test_the_version_is_that_of_alertsync() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == alertsync.__version__
    image = pods("volume")[0]["containers"][0]["image"]
    assert image == f"registry.example/alertsync:{alertsync.__version__}"


# --- As alertsync sees it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALUES)
def test_alertsync_starts_with_the_settings_and_the_secrets_of_the_pods(name: str, tmp_path: Path) -> None:
    for pod in pods(name):
        values = environment(name, pod, tmp_path)
        for variable in [it for it in values if it.startswith("DATABASE_URL")]:
            del values[variable]
        ca = values.pop("ALERTMANAGER_CA_FILE", "")
        assert ca in {"", "/etc/alertsync/ca/ca.pem"}
        loaded = settings.load(values)
        assert not loaded.irm.problems
        assert SECRET in loaded.secrets
        assert loaded.policy.dry_run
        assert loaded.interval == 60


def test_numbers_are_written_as_they_were_meant() -> None:
    data = one("volume", "ConfigMap")["data"]
    assert (data["ADOPT_WITHIN"], data["MAX_GONE_RATIO"], data["DRY_RUN"]) == ("1000000", "0.5", "true")


def test_the_chart_knows_every_setting_that_is_no_secret_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    known = set(schema["settings"]["properties"])
    assert known & secrets() == set()
    assert settings.names() <= known | secrets() | {"STATE_DIR", "PORT", "DATABASE_URL", "DATABASE_URL_FILE"}
    assert "GRAFANA_IRM_TOKEN" in secrets()


@pytest.mark.parametrize("name", VALUES)
def test_pods_have_no_more_rights_than_they_need(name: str) -> None:
    for pod in pods(name):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"] == pod_of(by_kind(BUNDLE.read_text())["Deployment"])["securityContext"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_account_of_the_pods_has_no_token_and_may_be_an_existing_one() -> None:
    account = one("volume", "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert {pod["serviceAccountName"] for pod in pods("volume")} == {account["metadata"]["name"]}
    assert "ServiceAccount" not in kinds("first-try")
    assert {pod["serviceAccountName"] for pod in pods("first-try")} == {"existing"}


def test_a_pod_of_the_chart_is_one_of_the_bundle_but_for_where_its_settings_come_from() -> None:
    ours, theirs = pods("volume")[0], pod_of(by_kind(BUNDLE.read_text())["Deployment"])
    ours_in, theirs_in = ours["containers"][0], theirs["containers"][0]
    same = ("ports", "startupProbe", "livenessProbe", "readinessProbe", "resources", "securityContext")
    assert {key: ours_in[key] for key in same} == {key: theirs_in[key] for key in same}
    assert ours_in["volumeMounts"][:2] == theirs_in["volumeMounts"]
    assert ours["enableServiceLinks"] is theirs["enableServiceLinks"] is False


def test_the_port_is_that_on_which_alertsync_listens_and_the_probes_are_answered(app: Flask) -> None:
    container = pods("volume")[0]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": settings.load({}).port}]
    paths = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert {path: app.test_client().get(path).status_code for path in paths} == {
        "/healthz": 200,
        "/readyz": 503,
    }


@pytest.mark.parametrize("name", VALUES)
def test_a_pod_has_the_time_to_end_that_its_settings_ask_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in settings.names():
        monkeypatch.delenv(setting, raising=False)
    data = one(name, "ConfigMap")["data"]
    monkeypatch.setenv("IRM_TIMEOUT", data.get("IRM_TIMEOUT", ""))
    graceful = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["graceful_timeout"]
    assert pods(name)[0]["terminationGracePeriodSeconds"] == graceful + 15


# --- State ------------------------------------------------------------------------------------------------


def test_one_pod_keeps_a_volume_that_outlives_it() -> None:
    spec = one("volume", "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    claim = one("volume", "PersistentVolumeClaim")["metadata"]
    assert claim["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = {it["name"]: it for it in pods("volume")[0]["volumes"]}
    assert volumes["state"]["persistentVolumeClaim"] == {"claimName": claim["name"]}
    assert not {"PodDisruptionBudget", "Secret", *OPERATED} & kinds("volume")


def test_a_claim_of_the_users_is_taken() -> None:
    volumes = {it["name"]: it for it in pods("ingress")[0]["volumes"]}
    assert volumes["state"]["persistentVolumeClaim"] == {"claimName": "kept"}
    assert "PersistentVolumeClaim" not in kinds("ingress")


def test_several_pods_share_a_database_and_nothing_on_a_disk() -> None:
    spec = one("replicated", "Deployment")["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["type"] == "RollingUpdate"
    assert "PersistentVolumeClaim" not in kinds("replicated")
    volumes = {it["name"]: it for it in pods("replicated")[0]["volumes"]}
    assert volumes["state"].keys() == {"name", "emptyDir"}
    assert volumes["database"]["secret"]["items"] == [{"key": "uri", "path": "DATABASE_URL"}]
    (container,) = pods("replicated")[0]["containers"]
    mounts = {it["name"]: it["mountPath"] for it in container["volumeMounts"]}
    names = {it["name"]: it.get("value") for it in container["env"]}
    assert names["DATABASE_URL_FILE"] == f"{mounts['database']}/DATABASE_URL"
    ports = [
        port["port"]
        for rule in one("replicated", "NetworkPolicy")["spec"]["egress"]
        for port in rule["ports"]
    ]
    assert 6432 in ports


def test_several_pods_stand_on_several_nodes_and_are_not_all_drained_at_once() -> None:
    labels = one("replicated", "Deployment")["spec"]["template"]["metadata"]["labels"]
    spread = pods("replicated")[0]["topologySpreadConstraints"]
    assert [it["topologyKey"] for it in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    budget = one("replicated", "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    for selector in (budget["selector"], *(it["labelSelector"] for it in spread)):
        assert selected(selector["matchLabels"], labels)


# --- Secrets ----------------------------------------------------------------------------------------------


def test_secrets_are_files_that_the_pod_can_read() -> None:
    for pod in pods("replicated"):
        (volume,) = (it["secret"] for it in pod["volumes"] if it["name"] == "secrets")
        assert volume["secretName"] == "alertsync-irm"
        assert volume["defaultMode"] == 0o440  # its group is fsGroup
        files = {f"{it['path']}_FILE": f"{MOUNTED}/{it['path']}" for it in volume["items"]}
        (container,) = pod["containers"]
        assert files.items() <= {it["name"]: it.get("value") for it in container["env"]}.items()
        assert {"name": "secrets", "mountPath": MOUNTED, "readOnly": True} in container["volumeMounts"]


def test_secrets_of_the_values_stand_in_a_secret_and_nowhere_else() -> None:
    token = yaml.safe_load(VALUES["first-try"].read_text())["secret"]["values"]["GRAFANA_IRM_TOKEN"]
    secret = one("first-try", "Secret")
    assert secret["stringData"] == {"GRAFANA_IRM_TOKEN": token}
    (variable,) = pods("first-try")[0]["containers"][0]["env"]
    source = variable["valueFrom"]["secretKeyRef"]
    assert source == {"name": secret["metadata"]["name"], "key": "GRAFANA_IRM_TOKEN"}
    others = [it for (kind, _), it in rendered("first-try").items() if kind != "Secret"]
    assert "0123" not in json.dumps(others).replace(pod_checksums("first-try"), "")


def pod_checksums(name: str) -> str:
    """Give the checksum of the secret, which is made of it, and tells nothing of it."""
    annotations = one(name, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    checksum: str = annotations["checksum/secret"]
    return checksum


# --- Network ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALUES)
def test_the_service_leads_to_the_pods_of_the_service_and_not_to_the_check(name: str) -> None:
    selector = one(name, "Service")["spec"]["selector"]
    deployment = one(name, "Deployment")["spec"]
    assert deployment["selector"]["matchLabels"] == selector
    assert selected(selector, deployment["template"]["metadata"]["labels"])
    assert not selected(selector, one(name, "Pod")["metadata"]["labels"])


def test_the_network_policy_lets_in_and_out_what_is_named_and_no_more() -> None:
    policy = one("ingress", "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == one("ingress", "Service")["spec"]["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    namespaces = [it["namespaceSelector"]["matchLabels"] for it in rule["from"] if "namespaceSelector" in it]
    assert namespaces == [{"kubernetes.io/metadata.name": it} for it in ("monitoring", "ingress-nginx")]
    assert rule["ports"] == [{"port": "http"}]
    names, ports, extra = policy["egress"]
    assert {(it["port"], it["protocol"]) for it in names["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert [it["port"] for it in ports["ports"]] == [443, 3128]
    assert extra["to"][0]["ipBlock"]["cidr"] == "192.0.2.0/24"


def test_the_network_policy_of_the_chart_is_that_of_the_bundle() -> None:
    ours = one("volume", "NetworkPolicy")["spec"]
    theirs = by_kind(BUNDLE.read_text())["NetworkPolicy"]["spec"]
    assert {**ours, "podSelector": None} == {**theirs, "podSelector": None}


def test_an_ingress_below_a_path_takes_it_away_and_names_it() -> None:
    ingress = one("ingress", "Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    annotations = ingress["metadata"]["annotations"]
    prefix = annotations["nginx.ingress.kubernetes.io/x-forwarded-prefix"]
    asked = re.fullmatch(path["path"], f"{prefix}/api/v1/runs")
    assert asked
    assert annotations["nginx.ingress.kubernetes.io/rewrite-target"].replace("$2", asked[2]) == "/api/v1/runs"
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "600"  # the user's
    assert path["backend"]["service"] == {"name": NAME, "port": {"name": "http"}}
    assert ingress["spec"]["tls"] == [{"hosts": [rule["host"]], "secretName": "ops-example-tls"}]
    assert one("ingress", "ConfigMap")["data"]["TRUSTED_PROXIES"] == "1"


def test_an_ingress_of_another_kind_and_without_a_path_has_no_annotation_of_nginx() -> None:
    changed = ("ingress.prefix=", "ingress.controller=other", "ingress.annotations=null")
    ingress = yaml.safe_load(shown("ingress", "ingress", *changed))
    assert "annotations" not in ingress["metadata"]
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/", "Prefix")


def shown(name: str, template: str, *changed: str) -> str:
    """Let helm make one template, with some values changed."""
    sets = [word for it in changed for word in ("--set", it)]
    return output(
        "helm",
        "template",
        RELEASE,
        CHART,
        "--values",
        VALUES[name],
        *sets,
        "-s",
        f"templates/{template}.yaml",
    )


# --- Monitoring -------------------------------------------------------------------------------------------


def test_pods_are_scraped_under_the_name_for_which_the_rules_look(app: Flask) -> None:
    monitor = one("ingress", "PodMonitor")
    labels = one("ingress", "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selected(monitor["spec"]["selector"]["matchLabels"], labels)
    assert labels[monitor["spec"]["jobLabel"]] == "alertsync"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "30s"}
    assert app.test_client().get(endpoint["path"]).status_code == 200
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_prometheus_gets_the_rules_and_grafana_the_dashboard_as_they_are() -> None:
    rules, dashboard = one("ingress", "PrometheusRule"), made("ingress", "ConfigMap", f"{NAME}-dashboard")
    assert rules["spec"] == yaml.safe_load((MONITORING / "rules.yaml").read_text())
    assert {group["name"] for group in rules["spec"]["groups"]}
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    (shown_as,) = dashboard["data"].values()
    assert json.loads(shown_as) == json.loads((MONITORING / "dashboard.json").read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "On call"}


def test_the_rules_look_for_the_name_under_which_pods_are_scraped() -> None:
    jobs = set(re.findall(r'\bjob=~"([^"]+)"', (MONITORING / "rules.yaml").read_text()))
    assert jobs
    assert all(re.fullmatch(job, "alertsync") for job in jobs)


# --- What is refused --------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "two pods without a database": (("replicas=2",), "may page twice: set database.existingSecret"),
    "no volume and no database": (("persistence.enabled=false",), "would forget what must be paged again"),
    "no volume, and what is gone is resolved": (
        ("persistence.enabled=false", "settings.ON_SILENCED=report", "settings.ON_GONE=resolve"),
        "would forget what must be paged again",
    ),
    "two secrets": (("secret.values.GRAFANA_IRM_TOKEN=x",), "which of them counts"),
    "an ingress for everybody": (
        ("ingress.enabled=true", "ingress.host=a.example"),
        "nothing says who may use alertsync",
    ),
    "an ingress without a host": (("ingress.enabled=true", "ingress.open=true"), "ingress.host is empty"),
    "a prefix that ends with a slash": (("ingress.prefix=/a/",), "/ingress/prefix"),
    "a misspelled setting": (("settings.DRYRUN=true",), "DRYRUN"),
    "a secret among the settings": (("settings.GRAFANA_IRM_TOKEN=x",), "GRAFANA_IRM_TOKEN"),
    "a setting of the chart's own": (("settings.STATE_DIR=/elsewhere",), "STATE_DIR"),
    "a setting that is no secret among the secrets": (("secret.keys={DRY_RUN}",), "/secret/keys/0"),
    "a misspelled value": (("replica=2",), "replica"),
    "a misspelled value below another": (("networkPolicy.enable=false",), "enable"),
    "a volume that many pods share": (
        ("persistence.accessModes={ReadWriteMany}",),
        "/persistence/accessModes/0",
    ),
    "a digest that is none": (("image.digest=latest",), "/image/digest"),
}


@pytest.mark.parametrize(("changed", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_lose_a_page_or_mean_nothing_is_refused_with_the_reason(
    changed: tuple[str, ...], reason: str
) -> None:
    sets = [word for it in changed for word in ("--set", it)]
    done = run("helm", "template", RELEASE, CHART, "--values", VOLUME, *sets)
    assert done.returncode != 0
    assert reason in done.stderr
    assert not done.stdout


def test_an_ingress_behind_something_that_asks_who_it_is_may_be_open() -> None:
    changed = ("ingress.enabled=true", "ingress.host=a.example", "ingress.open=true")
    assert 'host: "a.example"' in shown("volume", "ingress", *changed)


# --- Its page ---------------------------------------------------------------------------------------------


def leaves(values: dict[str, Any], documented: set[str], above: str = "") -> set[str]:
    """Give the paths of values, down to those that the page explains."""
    found = set()
    for key, value in values.items():
        path = f"{above}{key}"
        nested = isinstance(value, dict) and value and path not in documented
        found |= leaves(value, documented, f"{path}.") if nested else {path}
    return found


def test_the_page_of_the_chart_lists_every_value_and_no_other() -> None:
    rows = tables(CHART / "README.md", "value")
    documented = {name for row in rows for name in code(row[0])}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert leaves(values, documented) == documented


def test_the_page_of_the_chart_shows_the_defaults() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for row in tables(CHART / "README.md", "value"):
        if not row[1].startswith("`"):
            continue
        (default,) = code(row[1])
        for name in code(row[0]):
            value: Any = values
            for key in name.split("."):
                value = value[key]
            assert yaml.safe_load(default) == value, name
