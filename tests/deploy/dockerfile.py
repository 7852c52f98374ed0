"""Reads the Dockerfile, and does on this machine what it says, in a folder that stands for the image's root.

No engine builds images where the tests run. But what could be wrong in so short a file are its commands and its paths,
and those can be tried: the same RUN, with the paths of the image led into a folder; COPY from here or from the stage before.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"

_OURS = ("/opt", "/app", "/build", "/var/lib/alertsync")
"""Directories of the image that the Dockerfile makes; whatever else it names lies in its base."""
_LONGEST_SECONDS = 120


class Instruction(NamedTuple):
    """One instruction: its word and what follows it, continued lines joined."""

    word: str
    rest: str


def instructions() -> list[Instruction]:
    """Give the instructions of the Dockerfile."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [Instruction(word, re.sub(r"\s+", " ", rest).strip()) for word, _, rest in lines]


def last_stage() -> dict[str, str]:
    """Give the last instruction of each kind in the stage that becomes the image."""
    found = instructions()
    start = max(index for index, one in enumerate(found) if one.word == "FROM")
    return dict(found[start:])


def image_environment() -> dict[str, str]:
    """Give the variables that the image sets."""
    return dict(one.split("=", 1) for one in shlex.split(last_stage()["ENV"]))


def exec_form(words: str) -> list[str]:
    """Give the words of an instruction in its JSON form."""
    return [str(word) for word in json.loads(words)]


class Image:
    """What becomes of the Dockerfile: `root` is the image's root, once `build` has been called.

    Each stage has its turn at the same path, as a virtual environment knows where it lies.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self._earlier = directory / "earlier"
        self._workdir = Path("/")

    def build(self) -> None:
        """Do what the Dockerfile says, one instruction after the other; AssertionError where one fails."""
        for word, rest in instructions():
            match word:
                case "FROM":
                    self._begin_stage()
                case "WORKDIR":
                    self._workdir = Path(rest)
                    self.inside(".").mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(rest)
                case "RUN":
                    self._run(rest)
                case _:
                    pass  # says how the image is started, and changes no file

    def inside(self, path: str | Path) -> Path:
        """Give where a path of the image lies here."""
        return self.root / (self._workdir / path).relative_to("/")

    def here(self, command: str) -> str:
        """Give a command with the paths of the image led here."""
        ours = "|".join(map(re.escape, _OURS))
        return re.sub(rf"(?<![\w./-])({ours})(?=[/\s:]|$)", rf"{self.root}\1", command)

    def environment(self) -> dict[str, str]:
        """Give what a process of the image sees."""
        own = {name: self.here(value) for name, value in image_environment().items()}
        return {**own, "PATH": own["PATH"].replace("$PATH", self._path()), "HOME": "/nonexistent"}

    def _begin_stage(self) -> None:
        if self.root.exists():
            self.root.rename(self._earlier)
        self.root.mkdir()
        self._workdir = Path("/")

    def _copy(self, rest: str) -> None:
        *sources, target = [word for word in rest.split() if not word.startswith("--")]
        origin = self._earlier if "--from=" in rest else ROOT
        for source in sources:
            found = origin / source.lstrip("/")
            place = self.inside(target)
            if found.is_dir():
                ignored = (
                    shutil.ignore_patterns("__pycache__") if origin == ROOT else None
                )  # as .dockerignore has it
                shutil.copytree(found, place, symlinks=True, ignore=ignored, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)

    def _run(self, rest: str) -> None:
        # What pip downloaded for the virtual environment of the tests need not be downloaded again.
        command = self.here(rest).replace("--no-cache-dir ", "")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.inside("."),
            env={"PATH": self._path(), "HOME": str(Path.home())},
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_SECONDS,
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}{done.stderr}"

    def _path(self) -> str:
        """Give the PATH of the base image: the Python that is here, and the system's own programs."""
        return f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
