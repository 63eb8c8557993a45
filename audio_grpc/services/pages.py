"""Lists in pages, the same way for every list: https://google.aip.dev/158.

A token says after which place the next page begins, so that no entry is shown twice or left out because
others came or went between two pages; and for which list and which filters it was given.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar
from zlib import crc32

from google.protobuf.message import Message

from audio_grpc.errors import InvalidRequest
from audio_grpc.storage import PAGE_BYTES, Position

DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
LONGEST_TOKEN = 512
MESSAGE_BYTES = 8
"""The most that an entry takes in an answer beside its own bytes."""

Place = tuple[float | str, ...]
"""A place in a list, which is ordered by it; of one form in one list."""
M = TypeVar("M", bound=Message)


def page_size(request: Any) -> int:
    """Returns the most entries that the page may have. Raises InvalidRequest."""
    asked: int = request.page_size
    if asked < 0:
        raise InvalidRequest(
            f"page_size is {asked}; it goes from 1 to {LARGEST_PAGE}, or is 0 for {DEFAULT_PAGE}",
            field="page_size",
        )
    return min(asked or DEFAULT_PAGE, LARGEST_PAGE)


def page_of(entries: Iterable[tuple[Place, M]], request: Any) -> tuple[list[M], str]:
    """Returns the page of a list that was made for the call, and the next token. Raises InvalidRequest.

    The ``entries`` are in the order of their places. A page ends early if an answer has room for no more.
    """
    most, after = page_size(request), _place_before(request)
    page: list[M] = []
    last: Place | None = None
    size = 0
    for place, entry in entries:
        if after is not None and not _is_after(place, after):
            continue
        size += entry.ByteSize() + MESSAGE_BYTES
        if last is not None and (len(page) == most or size > PAGE_BYTES):
            return page, _token(request, last)
        page.append(entry)
        last = place
    return page, ""


def position_before(request: Any) -> Position | None:
    """Returns the position in a database after which the page begins; None for the start. InvalidRequest."""
    match _place_before(request):
        case None:
            return None
        case (float() as created, str() as entry_id):
            return Position(created, entry_id)
        case _:
            raise _no_token()


def page_token(request: Any, position: Position | None) -> str:
    """Returns the token for what is after that position of a database; empty if nothing is."""
    return "" if position is None else _token(request, (position.created, position.id))


def _is_after(place: Place, after: Place) -> bool:
    try:
        return place > after
    except TypeError as error:  # of a token that somebody made up
        raise _no_token() from error


def _token(request: Any, place: Place) -> str:
    return urlsafe_b64encode(json.dumps([_list_of(request), *place]).encode()).decode()


def _place_before(request: Any) -> Place | None:
    """Returns the place after which the page begins; None for the start. Raises InvalidRequest."""
    token: str = request.page_token
    if not token:
        return None
    if len(token) > LONGEST_TOKEN:
        raise _no_token()
    try:
        asked, *place = json.loads(urlsafe_b64decode(token.encode()), parse_constant=_no_number)
    except (ValueError, TypeError) as error:
        raise _no_token() from error
    if asked != _list_of(request) or not all(map(_can_be_of_a_place, place)):
        raise _no_token()
    return tuple(place)


def _can_be_of_a_place(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.isprintable())


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _list_of(request: Any) -> int:
    """Returns what a token is bound to: the kind of the list, and its filters."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in ("page_size", "page_token"):
        asked.ClearField(field)
    return crc32(asked.SerializeToString(deterministic=True), crc32(request.DESCRIPTOR.full_name.encode()))


def _no_token() -> InvalidRequest:
    return InvalidRequest(
        "page_token is not one that this list gave for these filters; send its next_page_token, or none",
        field="page_token",
    )
