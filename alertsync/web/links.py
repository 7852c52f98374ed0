"""Which addresses of others may become links: what a click opens must not be a script, or lead where it does not say.

Links to alert groups, generators and runbooks come from labels, annotations and answers of servers, and whoever may
fire an alert writes some of them. A page shows an address that is refused here as text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from flask import Flask

_BEGINS = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_MOST_CHARACTERS = 2048


def register(app: Flask) -> None:
    """Give templates the filter `safe_link`."""
    app.add_template_filter(safe_link)


def safe_link(address: object) -> str:
    """Give an address that a page may link to, or "" for one that it may not, None included.

    Whole http and https addresses pass, as they are. Browsers drop tabs and line ends within a scheme, and read a
    backslash as a slash; a user name before the host, or a character that turns the direction of writing, makes an
    address look like another: none of that passes.
    """
    if not isinstance(address, str) or len(address) > _MOST_CHARACTERS or not _BEGINS.match(address):
        return ""
    if not address.isprintable() or re.search(r"[\s\\<>\"]", address):
        return ""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    return address if host and "@" not in parts.netloc else ""
