"""Kubernetes' own programs read the base, the overlay and the examples, and the bundle is what the base says."""

from pathlib import Path

import pytest
import yaml

from tests.deploy.generated import BASE, BUNDLE, KUBERNETES, ROOT, generated
from tests.deploy.manifests import Manifest, by_kind, pod_of, validate
from tests.deploy.programs import output
from tests.docs import settings

REPLICATED = KUBERNETES / "overlays" / "replicated"
CRONJOB = KUBERNETES / "cronjob.yaml"


@pytest.fixture(scope="module")
def base() -> dict[str, Manifest]:
    """Let kubectl make what the base says."""
    return by_kind(output("kubectl", "kustomize", BASE))


@pytest.fixture(scope="module")
def replicated() -> dict[str, Manifest]:
    """Let kubectl make what the overlay says."""
    return by_kind(output("kubectl", "kustomize", REPLICATED))


@pytest.mark.parametrize("file", list(generated()), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_generated_file_is_what_make_manifests_would_write(file: Path) -> None:
    assert file.read_text() == generated()[file], "run `make manifests`"


def test_the_bundle_holds_the_very_objects_that_kubectl_makes_of_the_base(base: dict[str, Manifest]) -> None:
    assert by_kind(BUNDLE.read_text()) == base


def test_every_file_of_the_base_and_the_overlay_is_used() -> None:
    for folder in (BASE, REPLICATED):
        file = folder / "kustomization.yaml"
        kustomization = yaml.safe_load(file.read_text())
        patches = [one["path"] for one in kustomization.get("patches", ()) if "path" in one]
        named = {*kustomization["resources"], *patches, file.name}
        assert {one.name for one in folder.iterdir()} <= named


def test_kubernetes_knows_every_field_of_the_base_the_overlay_and_the_cron_job(
    base: dict[str, Manifest], replicated: dict[str, Manifest]
) -> None:
    validate([*base.values(), *replicated.values(), yaml.safe_load(CRONJOB.read_text())])


def test_a_misspelled_field_is_found(base: dict[str, Manifest]) -> None:
    policy = base["NetworkPolicy"]
    with pytest.raises(AssertionError, match="policyType"):
        validate([{**policy, "spec": {**policy["spec"], "policyType": ["Ingress"]}}])


def test_several_pods_share_a_database_and_nothing_on_a_disk(replicated: dict[str, Manifest]) -> None:
    spec = replicated["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert "PersistentVolumeClaim" not in replicated
    loaded = settings.load({**replicated["ConfigMap"]["data"], **replicated["Secret"]["stringData"]})
    assert loaded.database_url
    volumes = {one["name"]: one for one in pod_of(replicated["Deployment"])["volumes"]}
    assert volumes["state"].keys() == {"name", "emptyDir"}


def test_several_pods_stand_on_several_nodes_and_are_not_all_drained_at_once(
    replicated: dict[str, Manifest],
) -> None:
    labels = replicated["Deployment"]["spec"]["template"]["metadata"]["labels"]
    spread = pod_of(replicated["Deployment"])["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert all(one["labelSelector"]["matchLabels"] == labels for one in spread)
    budget = replicated["PodDisruptionBudget"]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": labels}}


def test_the_overlay_lets_its_pods_reach_the_database_and_changes_nothing_else_of_the_network(
    base: dict[str, Manifest], replicated: dict[str, Manifest]
) -> None:
    before, after = base["NetworkPolicy"]["spec"], replicated["NetworkPolicy"]["spec"]
    assert after == {**before, "egress": [*before["egress"], {"ports": [{"port": 5432}]}]}


def test_nobody_who_may_not_is_let_in_and_the_account_has_no_token(base: dict[str, Manifest]) -> None:
    policy, deployment = base["NetworkPolicy"]["spec"], base["Deployment"]["spec"]
    assert policy["podSelector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "http"}]]
    assert all(rule["from"] for rule in policy["ingress"])
    assert base["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod_of(base["Deployment"])["serviceAccountName"] == base["ServiceAccount"]["metadata"]["name"]
