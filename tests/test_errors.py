"""Every kind of error has a status and a reason of its own, and the unforeseen ones give nothing away."""

import logging

import grpc
import pytest

from audio_grpc import errors
from audio_grpc.client import ServiceError
from audio_grpc.interceptors.statuses import status, status_code
from audio_grpc.services import text_to_speech
from tests.conftest import Start


def kinds(root: type[errors.SpeechError] = errors.SpeechError) -> list[type[errors.SpeechError]]:
    """The class and all its descendants."""
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def make(kind: type[errors.SpeechError]) -> errors.SpeechError:
    if issubclass(kind, errors.Busy):
        return kind("Come back.", retry_after_seconds=1.5)
    return kind("What to do.", field="text")


EXPECTED = {
    "UPLOAD_REFUSED": grpc.StatusCode.INVALID_ARGUMENT,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "MODEL_FAILED": grpc.StatusCode.INTERNAL,
    "MODEL_CRASHED": grpc.StatusCode.INTERNAL,
    "MODEL_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "VOICE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "BUSY": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "QUEUE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "API_KEY_INVALID": grpc.StatusCode.UNAUTHENTICATED,
    "API_KEY_MISSING": grpc.StatusCode.UNAUTHENTICATED,
    "SCOPE_MISSING": grpc.StatusCode.PERMISSION_DENIED,
    "VOICE_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "REQUEST_ID_REUSED": grpc.StatusCode.ALREADY_EXISTS,
    "TOO_MANY_JOBS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "TOO_MANY_VOICES": grpc.StatusCode.FAILED_PRECONDITION,
    "CLONING_UNAVAILABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "JOB_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "JOB_STATE": grpc.StatusCode.FAILED_PRECONDITION,
    "JOB_INCOMPLETE": grpc.StatusCode.FAILED_PRECONDITION,
    "SERVER_CRASHED": grpc.StatusCode.INTERNAL,
    "SERVER_STOPPING": grpc.StatusCode.UNAVAILABLE,
    "STORAGE_FAILED": grpc.StatusCode.INTERNAL,
    "REQUEST_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "AUDIO_NOT_KEPT": grpc.StatusCode.NOT_FOUND,
    "PIPELINE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "CHAT_FAILED": grpc.StatusCode.INTERNAL,
    "CHAT_UNREACHABLE": grpc.StatusCode.INTERNAL,
    "CHAT_REFUSED": grpc.StatusCode.INTERNAL,
    "CHAT_TIMEOUT": grpc.StatusCode.INTERNAL,
    "CHAT_BROKEN": grpc.StatusCode.INTERNAL,
    "STREAM_IDLE": grpc.StatusCode.ABORTED,
    "UPSTREAM_FAILED": grpc.StatusCode.INTERNAL,
    "UPSTREAM_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "MEMORY_SHORT": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UPSTREAM_BUSY": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "MODEL_LOAD_FAILED": grpc.StatusCode.FAILED_PRECONDITION,
}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_kind_has_its_status(kind: type[errors.SpeechError]) -> None:
    expected = EXPECTED.get(kind.reason, grpc.StatusCode.INVALID_ARGUMENT)
    assert status_code(make(kind)) is expected
    assert status(make(kind)).code == expected.value[0]


def test_no_two_kinds_share_a_reason() -> None:
    reasons = [
        kind.reason for kind in kinds() if "reason" in vars(kind)
    ]  # others are their ancestor to callers
    assert len(set(reasons)) == len(reasons)


async def test_an_unforeseen_error_is_internal_and_stays_in_the_log(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("the secret of the house")

    monkeypatch.setattr(text_to_speech, "read_synthesis", broken)
    _, client = await start()
    with caplog.at_level(logging.ERROR), pytest.raises(ServiceError) as failure:
        await anext(client.synthesize("Hi."))
    assert (failure.value.code, failure.value.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in failure.value.message
    assert "the secret of the house" in caplog.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "''"),
        ("Anna", "'Anna'"),
        ("é" * 100, f"'{'é' * 100}'"),
        ("x" * 70_000, f"'{'x' * 100}' (and 69,900 characters more)"),
        ("a\nb\0\u202e\u200b\ud800", r"'a\nb\x00\u202e\u200b\ud800'"),
    ],
)
def test_a_message_quotes_a_bounded_and_visible_part_of_what_came(value: str, shown: str) -> None:
    assert errors.quoted(value) == shown
