"""Random messages to all methods: the server answers each with a message of its own."""

from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_grpc.server import Server
from tests.bounds.calls import ended
from tests.conftest import Start
from tests.contract import OURS, Rpc
from tests.messages import messages

ENDLESS = ("WatchActivities", "WatchAllActivities")
RPCS = [method for method in OURS if str(method) not in ENDLESS]


@st.composite
def requests(draw: Any) -> tuple[Rpc, list[bytes]]:
    method = draw(st.sampled_from(RPCS))
    made = messages(method.request.DESCRIPTOR).map(lambda message: message.SerializeToString())
    noise = st.binary(max_size=40)
    sent = [draw(noise if draw(st.integers(0, 9)) == 0 else made) for _ in range(draw(st.integers(1, 2)))]
    return method, sent


@pytest.fixture
async def server(start: Start) -> Server:
    return (await start(history=True, options={"cloning": True}))[0]


@given(request_=requests())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_message_is_an_internal_error(server: Server, request_: tuple[Rpc, list[bytes]]) -> None:
    method, sent = request_
    status = await ended(server.address, method.path, *sent)
    assert status.code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), status
    assert status.size <= 4096
