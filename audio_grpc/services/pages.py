"""Lists in pages: how many entries, and after which; of a database, and of what is made for the call."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from audio_grpc.errors import InvalidRequest
from audio_grpc.services.fields import within
from audio_grpc.storage import PAGE_BYTES, Position

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
LARGEST_PART = 1000
MESSAGE_BYTES = 8
"""The most that an entry takes in an answer beside its own bytes."""

M = TypeVar("M", bound=Message)


def read_page(page_size: int, page_token: str) -> tuple[int, Position | None]:
    """Returns the size of a page and the position before it, None for the start. Raises InvalidRequest."""
    size = within("page_size", page_size, 0, LARGEST_PAGE) or DEFAULT_PAGE
    return size, _position(page_token) if page_token else None


def part(entries: Sequence[M], name: Callable[[M], str], page_size: int, token: str) -> tuple[list[M], str]:
    """Returns at most so many of the entries as an answer has room for, and the next token; InvalidRequest.

    ``name`` is what an entry is found again by; where it is gone by then, the list goes on at its place.
    """
    most = within("page_size", page_size, 0, LARGEST_PART) or len(entries)
    start = end = _after(entries, name, token) if token else 0
    size = 0
    while end < min(start + most, len(entries)):
        size += entries[end].ByteSize() + MESSAGE_BYTES
        if size > PAGE_BYTES and end > start:
            break
        end += 1
    is_last = end >= len(entries)
    return list(entries[start:end]), "" if is_last else _encoded(f"{end - 1} {name(entries[end - 1])}")


def _after(entries: Sequence[M], name: Callable[[M], str], token: str) -> int:
    index, space, last = _decoded(token).partition(" ")
    if not space or not index.isdecimal():
        raise _no_token()
    found = (at + 1 for at, entry in enumerate(entries) if name(entry) == last)
    return next(found, min(int(index), len(entries)))


def page_token(position: Position | None) -> str:
    """Stands for the place behind an entry, opaque to callers; empty if nothing is behind it."""
    if position is None:
        return ""
    return _encoded(f"{position.created!r} {position.id}")


def _position(token: str) -> Position:
    try:
        created, entry_id = _decoded(token).split(" ")
        return Position(float(created), entry_id)
    except ValueError as error:
        raise _no_token() from error


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _decoded(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except ValueError as error:
        raise _no_token() from error


def _no_token() -> InvalidRequest:
    return InvalidRequest(
        "page_token is not one that a list gave; send its next_page_token, or none", field="page_token"
    )
