"""Makes the files of `deploy/` that are made of others: `make manifests` writes them, and a test holds them equal.

`kubectl kustomize` would make the bundle too, but without a single comment, and people edit the bundle. So it is put
together from the files that the base names, and a test holds what kustomize makes of these against it.
"""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
BUNDLE = KUBERNETES / "bundle.yaml"

_HEADER = """\
# alertsync in the namespace of the same name: edit the image, the ConfigMap and the Secret, then
#   kubectl apply -f bundle.yaml
# In the repository this file is made from base/ by `make manifests`: change it there.
"""


def generated() -> dict[Path, str]:
    """Give the content that each generated file must have."""
    names = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return {BUNDLE: _HEADER + "---\n".join((BASE / name).read_text() for name in names)}


if __name__ == "__main__":
    for file, text in generated().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
