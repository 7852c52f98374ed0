"""Makes the files of `deploy/` that are made of others: `make manifests` writes them, and a test holds them equal.

`kubectl kustomize` would make the bundle too, but without a single comment, and people edit the bundle. So it is put
together from the files that the base names, and a test holds what kustomize makes of these against it. A chart can hold
only what lies inside it: so it has copies of what Prometheus and Grafana get, and its schema knows the settings by name.
"""

import json
from pathlib import Path

import yaml

from tests.docs import settings

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
BUNDLE = KUBERNETES / "bundle.yaml"
CHART = ROOT / "deploy" / "helm" / "alertsync"
SCHEMA = CHART / "values.schema.json"
MONITORING = ROOT / "deploy" / "monitoring"

_HEADER = """\
# alertsync in the namespace of the same name: edit the image, the ConfigMap and the Secret, then
#   kubectl apply -f bundle.yaml
# In the repository this file is made from base/ by `make manifests`: change it there.
"""
_PROXIES = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
_OF_THE_CHART = {"STATE_DIR", "PORT", "DATABASE_URL", "DATABASE_URL_FILE"}
"""Settings that the chart sets itself."""


def generated() -> dict[Path, str]:
    """Give the content that each generated file must have."""
    copies = {
        CHART / "files" / name: (MONITORING / name).read_text() for name in ("rules.yaml", "dashboard.json")
    }
    return {BUNDLE: _bundle(), SCHEMA: _schema(), **copies}


def secrets() -> set[str]:
    """Give the settings that are secrets: those that can stand in a file too."""
    names = settings.names()
    return {name for name in names if f"{name}_FILE" in names} - _OF_THE_CHART


def _bundle() -> str:
    names = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return _HEADER + "---\n".join((BASE / name).read_text() for name in names)


def _schema() -> str:
    """Give the schema as it stands, with the names of the settings filled in: nobody should have to keep three lists."""
    schema = json.loads(SCHEMA.read_text())
    plain = (settings.names() | _PROXIES) - secrets() - _OF_THE_CHART
    properties = schema["properties"]
    properties["settings"]["properties"] = {name: {"$ref": "#/$defs/setting"} for name in sorted(plain)}
    properties["secret"]["properties"]["keys"]["items"]["enum"] = sorted(secrets())
    properties["secret"]["properties"]["values"]["propertyNames"]["enum"] = sorted(secrets())
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for file, text in generated().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
