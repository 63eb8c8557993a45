"""Lists of rows in pages, newest first, which are bounded in bytes as well as in number."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, or_, select

PAGE_BYTES = 3 << 20
"""The most bytes of a page's rows, if there is more than one: gRPC's clients take 4 MiB by default."""
LARGEST_ROW_BYTES = PAGE_BYTES
"""A row that is larger is not listed: earlier versions kept whatever callers had sent."""

T = TypeVar("T")


@dataclass(frozen=True)
class Position:
    """The place of an entry in a list."""

    created: float
    id: str


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list; ``too_large`` are the ids of what is left out, and ``next`` is None at the end."""

    entries: list[T]
    too_large: list[str]
    next: Position | None


@dataclass(frozen=True)
class Listing:
    """A list of rows: their ids, when they began, and how many bytes they have."""

    id: Column[Any]
    moment: Column[Any]
    bytes: ColumnElement[int]
    columns: Sequence[Column[Any]]

    def page(
        self,
        connection: Connection,
        clauses: Collection[ColumnElement[bool]],
        limit: int,
        after: Position | None,
        make: Callable[[Row[Any]], T],
    ) -> Page[T]:
        """Returns at most ``limit`` rows for which all clauses are true, that come after that position."""
        order = (self.moment.desc(), self.id.desc())
        wanted = select(self.id, self.moment, self.bytes).where(*clauses).order_by(*order).limit(limit + 1)
        if after is not None:
            same_moment = and_(self.moment == after.created, self.id < after.id)
            wanted = wanted.where(or_(self.moment < after.created, same_moment))
        heads = connection.execute(wanted).all()
        shown = heads[: _count([size for _, _, size in heads[:limit]])]
        ids = [row_id for row_id, _, size in shown if size <= LARGEST_ROW_BYTES]
        rows = connection.execute(select(*self.columns).where(self.id.in_(ids)).order_by(*order))
        last = Position(shown[-1][1], shown[-1][0]) if len(shown) < len(heads) else None
        too_large = [row_id for row_id, _, size in shown if size > LARGEST_ROW_BYTES]
        return Page([make(row) for row in rows], too_large, last)


def _count(sizes: Sequence[int]) -> int:
    """Returns how many rows of these sizes fit into a page; at least one, if there are any."""
    total = 0
    for count, size in enumerate(sizes):
        total += size if size <= LARGEST_ROW_BYTES else 0
        if count and total > PAGE_BYTES:
            return count
    return len(sizes)
