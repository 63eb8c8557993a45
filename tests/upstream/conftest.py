"""Services whose models are elsewhere: at a provider that misbehaves, or at another service of ours."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.server import Server
from tests.eventually import eventually
from tests.gateway.conftest import door, open_door
from tests.upstream.faulty import Behaviour, Provider, provider

__all__ = ["door", "open_door"]

BACKEND = "openai-upstream"


@pytest.fixture
async def providers() -> AsyncIterator[Callable[..., Awaitable[Provider]]]:
    """Starts providers that do as they are told."""
    async with AsyncExitStack() as stack:

        async def start_one(*behaviours: Behaviour) -> Provider:
            return await stack.enter_async_context(provider(*behaviours))

        yield start_one


Providers = Callable[..., Awaitable[Provider]]


def upstream(provider: Provider | str, **options: Any) -> dict[str, Any]:
    """A table of ``upstreams`` that waits for nothing longer than a test does."""
    url = provider if isinstance(provider, str) else provider.url
    return {"base_url": url, "model": "theirs", "retries": 0, **options}


def speaker(*upstreams: dict[str, Any], concurrency: int = 4, **options: Any) -> dict[str, Any]:
    """Settings of a service whose speaker is there."""
    spec = ModelSpec(BACKEND, concurrency=concurrency, options={"upstreams": upstreams, **options})
    return {"synthesizers": {"speaker": spec}}


def listener(*upstreams: dict[str, Any], concurrency: int = 4) -> dict[str, Any]:
    """Settings of a service whose listener is there."""
    spec = ModelSpec(BACKEND, concurrency=concurrency, options={"upstreams": upstreams})
    return {"transcribers": {"listener": spec}}


async def until_idle(server: Server) -> None:
    """Waits until all places are free again."""
    await eventually(
        lambda: (
            not (
                server.models.synthesizer("").admission.running
                or server.models.transcriber("").admission.running
            )
        )
    )
