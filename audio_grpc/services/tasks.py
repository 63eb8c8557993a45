"""Tasks that a call has started, and has to end."""

import asyncio


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel what still runs, and wait for it; what it failed with is somebody else's to tell."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
