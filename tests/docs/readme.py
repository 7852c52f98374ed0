"""Reads the documentation the way its tests need it: tables by their heading, fenced blocks by their language.

The example queries are read here too, so that a test with a real Prometheus can ask them.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
API = DOCS / "API.md"
COMMANDS = DOCS / "COMMANDS.md"
CONFIGURATION = DOCS / "CONFIGURATION.md"
DEPLOYMENT = DOCS / "DEPLOYMENT.md"
METRICS = DOCS / "METRICS.md"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), *sorted((ROOT / "deploy").rglob("*.md")))
"""Every page of the documentation."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def example_queries() -> list[str]:
    """Give the queries that the page of metrics begins with, each of which has an answer at any time."""
    return _queries(blocks(METRICS, "promql")[0])


def queries_of(page: Path) -> list[str]:
    """Give the example PromQL queries of a page, one a line of its blocks."""
    return _queries("\n".join(blocks(page, "promql")))


def _queries(text: str) -> list[str]:
    lines = text.splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: Path, language: str) -> list[str]:
    """Give the fenced blocks of a page in this language."""
    return [found[2] for found in _FENCED.finditer(page.read_text()) if found[1] == language]


def prose(page: Path) -> str:
    """Give a page without its fenced blocks."""
    return _FENCED.sub("", page.read_text())


def tables(page: Path, header: str) -> list[list[str]]:
    """Give the rows of every table of a page whose first column is headed so; cells as they are written."""
    rows: list[list[str]] = []
    inside = False
    for line in prose(page).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if inside and not set(line) <= set("|- "):
            rows.append(cells)
        inside = inside or cells[0] == header
    return rows


def code(text: str) -> list[str]:
    """Give what stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def headings(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }
