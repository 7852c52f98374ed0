"""Reads and checks what Kubernetes is given: every object against the schemas of the oldest and the newest version.

Kubernetes itself ignores what it does not know, so a misspelled field is found in strict mode or at 3 a.m. What the
Prometheus operator defines has no schema there; its few fields are compared with what is expected of them.
"""

from collections.abc import Iterable
from typing import Any

import kubernetes_validate
import yaml

Manifest = dict[str, Any]

OLDEST, NEWEST = "1.25", "1.37"
"""The versions of Kubernetes between which the manifests are meant to work: those of which there are schemas here."""

OPERATOR = "monitoring.coreos.com/v1"


def read(text: str) -> dict[tuple[str, str], Manifest]:
    """Give the objects of a text by kind and name; AssertionError if two are called the same."""
    found = [one for one in yaml.safe_load_all(text) if one]
    objects = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(objects) == len(found), "two objects have the same kind and name"
    return objects


def by_kind(text: str) -> dict[str, Manifest]:
    """Give the objects of a text by kind, of which each stands there once."""
    objects = read(text)
    kinds = {kind: one for (kind, _), one in objects.items()}
    assert len(kinds) == len(objects)
    return kinds


def validate(objects: Iterable[Manifest]) -> None:
    """Hold objects against the schemas, strictly; AssertionError names the first that does not fit."""
    for one in objects:
        if one["apiVersion"] == OPERATOR:
            continue
        for version in (OLDEST, NEWEST):
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                raise AssertionError(f"{one['kind']} in Kubernetes {version}: {error}") from None


def pod_of(workload: Manifest) -> Manifest:
    """Give the pod's specification of a Deployment or a CronJob."""
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod: Manifest = spec["template"]["spec"]
    return pod
