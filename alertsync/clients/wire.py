"""Decodes answers strictly: a field that matters and is missing or of another type means no answer at all."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from alertsync.clients import failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.clients.http import Answer, Http
    from alertsync.models import Operation

T = TypeVar("T")
U = TypeVar("U")

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time of the wire. One without an offset is refused: it could not be compared with any other."""


_preparing = threading.Lock()
_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Give the decoder of a shape, made once: two threads that use a struct of msgspec for the first time crash the process."""
    with _preparing:
        if shape not in _decoders:
            _decoders[shape] = msgspec.json.Decoder(shape)
        return _decoders[shape]


def decode_each(
    http: Http, operation: Operation, answer: Answer, shape: type[T], become: Callable[[T], U]
) -> list[U]:
    """Decode the JSON body of `answer` as a list, and give what each entry becomes; raise as `decode` does.

    A list may hold tens of megabytes: decoded in one piece, it would let no other thread run for seconds. Each entry
    of the wire is let go as soon as it has become what it stands for, so that no list is there twice.
    """
    entries = decode(http, operation, answer, list[msgspec.Raw])
    read = _decoder(shape).decode
    try:
        return [become(read(entry)) for entry in entries]
    except msgspec.ValidationError as error:
        raise failures.wrong_shape(http.endpoint, operation, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failures.not_json(http.endpoint, operation, answer.body) from None


def decode_list(http: Http, operation: Operation, answer: Answer, shape: type[T]) -> list[T]:
    """Decode the JSON body of `answer` as a list, as `decode_each` does."""
    return decode_each(http, operation, answer, shape, lambda entry: entry)


def decode(http: Http, operation: Operation, answer: Answer, shape: type[T]) -> T:
    """Decode the JSON body of `answer` as `shape`; raise `UpstreamError` (not_json, wrong_shape)."""
    try:
        return _decoder(shape).decode(answer.body)
    except msgspec.ValidationError as error:
        raise failures.wrong_shape(http.endpoint, operation, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failures.not_json(http.endpoint, operation, answer.body) from None
