"""Finds out which settings there are by watching what is read, and which default each of them has.

A list kept by hand would only be another page to forget. So `config.load` reads from an environment that
remembers what it was asked for, and a documented default is right if setting it changes nothing.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from alertsync import config
from alertsync.errors import ConfigError
from alertsync.settings import Settings

UNSET = "\u2013"
"""What stands in a table where there is no default."""

Flat = dict[str, Any]

_GROUPS = frozenset({"alertmanager", "irm", "web", "webhook", "policy"})
_COMPANIONS: dict[str, dict[str, str]] = {
    "ALERTMANAGER_USERNAME": {"ALERTMANAGER_PASSWORD": "probe"},
    "ALERTMANAGER_PASSWORD": {"ALERTMANAGER_USERNAME": "probe"},
    "ALERTMANAGER_PASSWORD_FILE": {"ALERTMANAGER_USERNAME": "probe"},
    "WEB_USERNAME": {"WEB_PASSWORD": "probe"},
    "WEB_PASSWORD": {"WEB_USERNAME": "probe"},
    "WEB_PASSWORD_FILE": {"WEB_USERNAME": "probe"},
    "WEBHOOK_USERNAME": {"WEBHOOK_PASSWORD": "probe"},
    "WEBHOOK_PASSWORD": {"WEBHOOK_USERNAME": "probe"},
    "WEBHOOK_PASSWORD_FILE": {"WEBHOOK_USERNAME": "probe"},
    "ALERTMANAGER_KEY_FILE": {"ALERTMANAGER_CERT_FILE": str(Path(__file__))},
}
"""Settings that make no sense alone, and what they are set with."""

_DATABASE = "postgresql+psycopg://probe:probe@probe/probe"
_PROBES = (
    "https://probe.example",
    "ana@probe.example",
    "probe",
    "7",
    "true",
    "false",
    "report",
    "text",
    _DATABASE,
)
"""Values of which at least one is accepted by each setting that names no file."""


class _Watched(MutableMapping[str, str]):
    """An environment that remembers which names were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[_Watched]:
    watched = _Watched(values)
    kept, os.environ = os.environ, watched  # type: ignore[assignment]  # put back below
    try:
        yield watched
    finally:
        os.environ = kept  # noqa: B003


def load(values: Mapping[str, str]) -> Settings:
    """Load the settings from an environment that holds these values and nothing else."""
    with _environment(values):
        return config.load()


def names() -> set[str]:
    """Give the name of every setting that is read."""
    with _environment({}) as watched:
        config.load()
    return watched.asked


def default_is(name: str, documented: str) -> bool:
    """Tell whether a setting has this default: setting it changes nothing.

    Of one without default (`UNSET`), whatever it changes must have been empty before.
    """
    without = _flat({})
    if documented != UNSET:
        return _flat({name: documented}) == without
    changed = _changed(name, without)
    return bool(changed) and all(without[field] in (None, "", (), frozenset()) for field in changed)


def _changed(name: str, without: Flat) -> set[str]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(_DATABASE if name.startswith("DATABASE_URL") else "probe")
        file.flush()
        for probe in (file.name, *_PROBES):
            try:
                probed = _flat({name: probe, **_COMPANIONS.get(name, {})})
            except ConfigError:
                continue
            if changed := {field for field, value in probed.items() if value != without[field]}:
                return changed
    return set()


def _flat(values: Mapping[str, str]) -> Flat:
    """Give every setting by the name of its field; what is wrong with IRM's is no setting."""
    settings = load(values)
    flat: Flat = {}
    for field, value in msgspec.structs.asdict(settings.policy).items():
        flat[f"policy.{field}"] = value
    for group in ("alertmanager", "irm", "web", "webhook"):
        for field, value in vars(getattr(settings, group)).items():
            flat[f"{group}.{field}"] = value
    flat |= {field: value for field, value in vars(settings).items() if field not in _GROUPS}
    flat.pop("irm.problems")
    return flat
