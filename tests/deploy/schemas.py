"""Schemas of GitHub's workflows, of compose files and of Renovate's settings, which check-jsonschema brings along."""

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema_rs

_FOLDER = "check_jsonschema/builtin_schemas/vendor"


def hold_against(name: str, value: Any) -> None:
    """Hold a value against a schema; ValidationError says what does not fit."""
    # Nothing of the package is imported, as it is installed without what it needs.
    file = Path(str(distribution("check-jsonschema").locate_file(f"{_FOLDER}/{name}.json")))
    jsonschema_rs.Draft7Validator(json.loads(file.read_text())).validate(value)
