"""Messages of any type with anything in their fields, for hypothesis, made from descriptors alone."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

DEEPEST = 4
MOST_REPEATED = 3
LONG = 70_000
NAMES = ("", "speaker", "listener", "hibari", "whisper-base", "tone", "en", "nobody", "\u202e")

# Long strings are made of short ones: hypothesis draws no large data.
TEXTS = st.one_of(
    st.sampled_from(NAMES),
    st.text(max_size=20),
    st.builds(
        lambda text, times: text * times, st.text(min_size=1, max_size=3), st.sampled_from((100, LONG))
    ),
)
BYTES = st.one_of(
    st.binary(max_size=64),
    st.builds(lambda data, times: data * times, st.binary(min_size=1, max_size=8), st.just(LONG)),
)
SCALARS: dict[int, SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats() | st.sampled_from((0.0, 0.5, 1.0, -1.0)),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1) | st.integers(0, 100),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(0, 100),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    # Enums of proto3 are open: numbers without a name pass.
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 6) | st.integers(-(2**31), 2**31 - 1),
}


def messages(descriptor: Any, depth: int = 0) -> SearchStrategy[Message]:
    """Messages of this type in which each field may be set, to anything that its type allows."""
    fields = {field.name: _values(field, depth) for field in descriptor.fields if _fits(field, depth)}
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: _message(descriptor, values))


def _fits(field: FieldDescriptor, depth: int) -> bool:
    return field.message_type is None or depth < DEEPEST


def _values(field: FieldDescriptor, depth: int) -> SearchStrategy[Any]:
    if field.message_type is not None:
        one: SearchStrategy[Any] = messages(field.message_type, depth + 1)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = BYTES
    else:
        one = SCALARS[field.cpp_type]
    return st.lists(one, max_size=MOST_REPEATED) if field.is_repeated else one


def _message(descriptor: Descriptor, values: dict[str, Any]) -> Message:
    return GetMessageClass(descriptor)(**values)
