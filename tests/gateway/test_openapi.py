"""schemathesis sends what the OpenAPI document allows, and what it does not, and finds nothing broken."""

import asyncio
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from audio_grpc.server import Server
from tests.conftest import tone_settings
from tests.gateway.conftest import running


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A gateway and a server in a thread of their own, since schemathesis does not await."""
    found: list[str] = []
    ready, done = Event(), Event()

    async def serve() -> None:
        server = Server(tone_settings())
        await server.start()
        async with running(server=server.address) as where:
            found.append(where)
            ready.set()
            await asyncio.to_thread(done.wait)
        await server.stop(0)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(30)
    yield found[0]
    done.set()
    thread.join()


def test_nothing_that_can_be_sent_breaks_the_gateway(url: str) -> None:
    api = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found = list(api.get_all_operations())
    operations = [result.ok() for result in found if isinstance(result, Ok)]
    assert len(operations) == len(found), "a part of the document is no valid OpenAPI"
    assert {"/v1/audio/speech", "/v1/audio/transcriptions"} <= {operation.path for operation in operations}
    for operation in operations:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            case.call_and_validate(checks=[not_a_server_error], timeout=30)

        send()
