"""Whatever message comes, to whatever method, the server answers with words of its own."""

from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_grpc.server import Server
from tests.bounds.contract import OURS, Method, ended
from tests.conftest import Start

ENDLESS = ("WatchActivities",)
METHODS = [method for method in OURS if str(method) not in ENDLESS]
SOMETIMES = st.sampled_from(["", "speaker", "listener", "tone", "en", "x", "\u202e", "é" * 300])
INTEGERS = (0, 1, -1, 2, 7, 2**31 - 1, -(2**31))
LARGE = (2**63 - 1, -(2**63), 10**15)
FLOATS = st.sampled_from([0.0, 0.5, -1.0, 1e30, float("inf"), float("nan")])
KINDS = {
    FieldDescriptor.TYPE_STRING: SOMETIMES,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=64),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.sampled_from(INTEGERS),
    FieldDescriptor.TYPE_INT64: st.sampled_from((*INTEGERS, *LARGE)),
    FieldDescriptor.TYPE_ENUM: st.sampled_from((0, 1, 2, 99)),
    FieldDescriptor.TYPE_DOUBLE: FLOATS,
    FieldDescriptor.TYPE_FLOAT: FLOATS,
}


def filled(draw: Any, message: Descriptor) -> Any:
    """A message with some of its fields set to something."""
    made = message_factory.GetMessageClass(message)()
    for field in message.fields:
        if not draw(st.integers(0, 2)):
            for value in draw_values(draw, field):
                if field.is_repeated:
                    getattr(made, field.name).append(value)
                elif field.message_type is not None:
                    getattr(made, field.name).CopyFrom(value)
                else:
                    setattr(made, field.name, value)
    return made


def draw_values(draw: Any, field: FieldDescriptor) -> list[Any]:
    count = draw(st.integers(1, 3)) if field.is_repeated else 1
    if field.message_type is not None:
        return [filled(draw, field.message_type) for _ in range(count)]
    kind = KINDS.get(field.type)
    return [] if kind is None else [draw(kind) for _ in range(count)]


@st.composite
def requests(draw: Any) -> tuple[Method, list[bytes]]:
    method = draw(st.sampled_from(METHODS))
    garbage = st.binary(max_size=40)
    messages = [
        draw(garbage) if draw(st.integers(0, 9)) == 0 else filled(draw, method.request).SerializeToString()
        for _ in range(draw(st.integers(1, 2)))
    ]
    return method, messages


@pytest.fixture
async def server(start: Start) -> Server:
    return (await start(history=True, options={"cloning": True}))[0]


@given(request_=requests())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_message_is_an_internal_error(server: Server, request_: tuple[Method, list[bytes]]) -> None:
    method, messages = request_
    status = await ended(server.address, method.path, *messages)
    assert status.code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), status
    assert status.size <= 4096
