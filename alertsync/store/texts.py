"""Reads a body as the text that it is, in the words of either database, so that it can be searched there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler


class TextOf(FunctionElement[str]):
    """The text in a column of bytes."""

    name = "text_of"
    type = Text()
    inherit_cache = True


@compiles(TextOf, "sqlite")
def _in_sqlite(element: TextOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  SQLAlchemy's signature
    return f"CAST({compiler.process(element.clauses, **options)} AS TEXT)"


@compiles(TextOf, "postgresql")
def _in_postgresql(element: TextOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  SQLAlchemy's signature
    return f"convert_from({compiler.process(element.clauses, **options)}, 'UTF8')"
