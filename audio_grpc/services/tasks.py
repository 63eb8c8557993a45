"""Tasks that a call has started, and has to end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

from audio_grpc.errors import ServerStopping

T = TypeVar("T")


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel what still runs, and wait for it; what it failed with is somebody else's to tell."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(ended: asyncio.Event, items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The items, as they come. ServerStopping once the event has happened, also while none comes."""
    ending = asyncio.ensure_future(ended.wait())
    coming: asyncio.Task[T] | None = None
    try:
        while True:
            coming = asyncio.create_task(anext(items))  # type: ignore[arg-type]
            await asyncio.wait((coming, ending), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise stopping()
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        await end(ending, *([coming] if coming else []))


def stopping() -> ServerStopping:
    """Returns the error for those who wait for something that will not happen here any more."""
    return ServerStopping("the server is ending; call again, for another one, or it once it is back")
