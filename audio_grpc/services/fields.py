"""Reading the fields of a message: InvalidRequest names the one that is out of range."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from audio_grpc.convert import to_seconds
from audio_grpc.errors import InvalidRequest, SpeechError, quoted

V = TypeVar("V")


def given(message: Any, field: str) -> Any:
    """The value of an optional field, None if it is not set."""
    return getattr(message, field) if message.HasField(field) else None


def seconds(message: Any, field: str) -> float | None:
    """A duration in seconds, None if it is not set."""
    return to_seconds(getattr(message, field)) if message.HasField(field) else None


def known(field: str, value: int, meanings: Mapping[Any, V], default: V) -> V:
    """The meaning of an enum's number; 0 is unspecified."""
    if value == 0:
        return default
    if value not in meanings:
        raise InvalidRequest(f"{field} has no value {value}; it has 0 to {max(meanings)}", field=field)
    return meanings[value]


def within(field: str, value: V, low: float, high: float) -> V:
    """The value, which may be None."""
    # Written so that NaN, which compares false with everything, is refused.
    if value is not None and not low <= value <= high:  # type: ignore[operator]
        raise InvalidRequest(f"{field} is {value}; it goes from {low} to {high}", field=field)
    return value


def short(field: str, text: V, longest: int) -> V:
    """The text, which may be None, of at most ``longest`` characters."""
    if isinstance(text, str) and len(text) > longest:
        raise InvalidRequest(f"{field} has {len(text)} characters; send at most {longest}", field=field)
    return text


def few(field: str, values: V, most: int) -> V:
    """A repeated field of at most ``most`` values."""
    if (count := len(values)) > most:  # type: ignore[arg-type]
        raise InvalidRequest(f"{field} has {count} values; send at most {most}", field=field)
    return values


def to_update(message: Any, mask: FieldMask, updatable: Sequence[str]) -> Sequence[str]:
    """Returns which fields an update is of: those of the mask, else those that are set. InvalidRequest.

    https://google.aip.dev/134; "*" stands for all that can be updated.
    """
    if other := [path for path in mask.paths if path not in (*updatable, "*")]:
        raise InvalidRequest(
            f"{quoted(other[0])} cannot be updated; there are: {', '.join(updatable)}", field="update_mask"
        )
    if "*" in mask.paths:
        return updatable
    return mask.paths or [field for field in updatable if getattr(message, field)]


@contextmanager
def fields_of(wrapper: str) -> Iterator[None]:
    """Has errors name a field as one of the message that is the request's field ``wrapper``."""
    try:
        yield
    except SpeechError as error:
        if error.field:
            error.field = f"{wrapper}.{error.field}"
        raise
