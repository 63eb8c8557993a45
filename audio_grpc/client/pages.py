"""Lists that come in pages, which the clients read one after the other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, Generic, Protocol, TypeVar

LARGEST_PAGE = 1000
"""The most entries that a server gives at once, for lists that are read whole."""


class PageReply(Protocol):
    """An answer with a page of a list."""

    @property
    def next_page_token(self) -> str:
        """The token of the next page; empty if this is the last."""


Reply = TypeVar("Reply", bound=PageReply)
Entry = TypeVar("Entry")


class AsyncPages(Generic[Reply, Entry]):
    """A list, for asyncio: ``async for`` yields the entries of all pages, and ``page`` returns one page.

    Nothing is asked for before that. Both raise ServiceError.
    """

    def __init__(
        self,
        ask: Callable[[Any], Awaitable[Reply]],
        request: Any,
        entries: Callable[[Reply], Iterable[Entry]],
    ) -> None:
        self._ask = ask
        self._request = request
        self._entries = entries

    async def page(self) -> Reply:
        """Returns the first page; its ``next_page_token`` asks for the next."""
        return await self._ask(self._request)

    async def __aiter__(self) -> AsyncIterator[Entry]:
        request = deepcopy(self._request)
        while True:
            page = await self._ask(request)
            for entry in self._entries(page):
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


class Pages(Generic[Reply, Entry]):
    """A list, for threads: iterating yields the entries of all pages, and ``page`` returns one page.

    Nothing is asked for before that. Both raise ServiceError.
    """

    def __init__(
        self, ask: Callable[[Any], Reply], request: Any, entries: Callable[[Reply], Iterable[Entry]]
    ) -> None:
        self._ask = ask
        self._request = request
        self._entries = entries

    def page(self) -> Reply:
        """Returns the first page; its ``next_page_token`` asks for the next."""
        return self._ask(self._request)

    def __iter__(self) -> Iterator[Entry]:
        request = deepcopy(self._request)
        while True:
            page = self._ask(request)
            yield from self._entries(page)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
