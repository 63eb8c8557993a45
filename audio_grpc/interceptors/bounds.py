"""Bounds of what any message of a caller has in it: so many bytes, short names, possible times.

Texts have bounds of their own, which depend on settings and models; ``services/`` holds them. A string that
is new in the contract is a short name, unless its field is one of ``TEXTS``.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from audio_grpc.errors import InvalidRequest, MalformedMessage, MessageTooLarge
from audio_grpc.services.fields import short

LONGEST_NAME = 256
TEXTS = frozenset(
    {
        "text",
        "prompt",
        "hotwords",
        "instructions",
        "transcript",
        "consent",
        "context",
        "system_prompt",
        "message",
    }
)
ID = "id"
"""Finds something, or not: of whatever length, it is kept nowhere."""
SMALL_BYTES = 1 << 17
"""The largest message to a method that wants neither sound nor texts."""
MOST_FIELDS = 20_000
"""The most fields of a message, with those inside: parsed, the smallest take a hundred times their bytes."""
SMALLEST_FIELD_BYTES = 2
TIMES = frozenset({"google.protobuf.Duration", "google.protobuf.Timestamp"})

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
FIXED_BYTES = {FIXED64: 8, FIXED32: 4}

Deserialize = Callable[[bytes], Any]


class Arrived:
    """A message as it came: so many bytes, and what was read of them, or why it cannot or may not be read."""

    __slots__ = ("_error", "_request", "size")

    def __init__(self, size: int, request: Any = None, error: InvalidRequest | None = None) -> None:
        self.size = size
        self._request = request
        self._error = error

    def check(self) -> Any:
        """The request; raises InvalidRequest, or one of its kinds, if it was refused."""
        if self._error is not None:
            raise self._error
        return self._request


def bounded(deserialize: Deserialize, message: Descriptor, text_bytes: int) -> Callable[[bytes], Arrived]:
    """Reads messages like ``deserialize``, within bounds.

    ``text_bytes`` are what a message may have beside its sound. An error in here would become INTERNAL.
    """
    most = text_bytes if is_large(message) else SMALL_BYTES

    def read(data: bytes) -> Arrived:
        try:
            _require_size(data, message, most)
            request = deserialize(data)
            require_bounded(request)
        except InvalidRequest as error:
            return Arrived(0, error=error.with_traceback(None))  # its frames would hold the message
        except DecodeError as error:
            malformed = MalformedMessage(
                f"the request cannot be read ({error}); it must be a message of this method's "
                "request type, with strings in UTF-8"
            )
            return Arrived(0, error=malformed)
        return Arrived(len(data), request)

    return read


def require_bounded(message: Any, within: str = "") -> None:
    """Raises InvalidRequest for names that are too long, and for impossible times."""
    for field in _fields_to_check(message.DESCRIPTOR):
        if not field.is_repeated and field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        name = f"{within}{field.name}"
        for one in value if field.is_repeated else (value,):
            if field.message_type is None:
                short(name, one, LONGEST_NAME)
            elif field.message_type.full_name in TIMES:
                _require_time(name, one)
            else:
                require_bounded(one, f"{name}.")


def _require_time(name: str, time: Any) -> None:
    try:
        time.ToJsonString()
    except ValueError as error:
        raise InvalidRequest(f"{name} is no possible time ({error})", field=name) from error


@cache
def _fields_to_check(message: Descriptor) -> tuple[FieldDescriptor, ...]:
    return tuple(field for field in message.fields if _is_to_check(field))


def _is_to_check(field: FieldDescriptor) -> bool:
    if field.message_type is not None:
        return field.message_type.full_name in TIMES or bool(_fields_to_check(field.message_type))
    return field.type == FieldDescriptor.TYPE_STRING and field.name not in TEXTS and field.name != ID


@cache
def is_large(message: Descriptor) -> bool:
    """Tells if there is sound or text in such messages, and not only names and numbers."""
    return any(
        field.name in TEXTS or field.type == FieldDescriptor.TYPE_BYTES or is_large(field.message_type)
        for field in message.fields
        if field.name in TEXTS or field.type == FieldDescriptor.TYPE_BYTES or field.message_type is not None
    )


@cache
def is_recording(message: Descriptor) -> bool:
    """Tells if such a message brings a recording, rather than something that may come with one."""
    return any(field.type == FieldDescriptor.TYPE_BYTES for field in message.fields)


def _require_size(data: bytes, message: Descriptor, most: int) -> None:
    """Raises MessageTooLarge before the message is parsed; the method limits the sound in it."""
    size = count = 0
    if len(data) <= min(most, MOST_FIELDS * SMALLEST_FIELD_BYTES):
        return
    if is_large(message):
        for part in _parts(memoryview(data), message):
            size += part
            count += 1
            if size > most or count > MOST_FIELDS:
                break
    else:
        size = len(data)
    if size > most:
        raise MessageTooLarge(
            f"the message has more than {most} bytes, which is more than this method takes beside sound; "
            "send less in it"
        )
    if count > MOST_FIELDS:
        raise MessageTooLarge(f"the message has more than {MOST_FIELDS} fields; send less in it")


def _parts(data: memoryview, message: Descriptor) -> Iterator[int]:
    """Yields the bytes of each field that is neither sound nor made of fields.

    https://protobuf.dev/programming-guides/encoding/
    """
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            kind = tag & 7
            if kind == VARINT:
                _, at = _varint(data, at)
            elif kind != LENGTH_DELIMITED:
                at += FIXED_BYTES.get(kind, 0)
            else:
                size, at = _varint(data, at)
                field = message.fields_by_number.get(tag >> 3)
                if field is not None and field.message_type is not None:
                    yield from _parts(data[at : at + size], field.message_type)
                elif field is None or field.type != FieldDescriptor.TYPE_BYTES:
                    yield size
                at += size
            yield 0  # so that the field counts, whatever it is
    except IndexError:
        return  # it is cut off, as whoever parses it will say


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of at most 64 bits, and where the next begins. IndexError if there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a varint has at most ten bytes")
