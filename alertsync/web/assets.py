"""Gives the files of the pages addresses that change with what they hold, so that a browser asks for each only once.

Without the version, as in a bookmark or an older page, a file is kept too, and asked for again with its ETag.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import request

if TYPE_CHECKING:
    from flask import Flask, Response

_FOR_GOOD = "public, max-age=31536000, immutable"


def register(app: Flask) -> None:
    """Write the version of a file into its address, and say of what is asked for by it that it never changes."""
    versions = _versions(Path(app.static_folder or ""))

    @app.url_defaults
    def with_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and (version := versions.get(values.get("filename", ""))):
            values.setdefault("v", version)

    @app.after_request
    def keep(response: Response) -> Response:
        # While an update is rolled out, a page of one version may ask a worker of the other: that answer is not kept.
        if request.endpoint == "static":
            ours = versions.get((request.view_args or {}).get("filename", ""))
            if ours is not None and request.args.get("v") == ours:
                response.headers["Cache-Control"] = _FOR_GOOD
        return response


def _versions(folder: Path) -> dict[str, str]:
    """Give the version of each file, by its name."""
    return {
        path.name: hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }
