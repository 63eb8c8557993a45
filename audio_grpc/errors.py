"""The errors that callers can get, one class each.

Every message says what was wrong and what to do about it, and repeats what a caller sent by :func:`quoted`
only. ``interceptors/statuses.py`` holds the one table that gives each class its gRPC status.
"""

from typing import ClassVar

QUOTED_CHARACTERS = 100
LONGEST_MESSAGE = 1000
"""Characters of an error's message, wherever it goes: a status, an event, a row, a log line."""


def quoted(value: str) -> str:
    """Quotes at most 100 characters of ``value`` for a message, those that cannot be seen as escapes.

    What is shortened says so: ``'...' (and 69,900 characters more)``.
    """
    shown = repr(value[:QUOTED_CHARACTERS])
    more = len(value) - QUOTED_CHARACTERS
    return shown if more <= 0 else f"{shown} (and {more:,} characters more)"


def shortened(text: str, most: int) -> str:
    """Returns at most ``most`` characters of ``text``; dots stand for the rest."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


class SpeechError(Exception):
    """The root: ``reason`` is the stable name for programs, ``field`` the request field at fault.

    A message of more than ``LONGEST_MESSAGE`` characters is shortened.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.message = shortened(message, LONGEST_MESSAGE)
        self.field = field
        super().__init__(self.message)


class InvalidRequest(SpeechError):
    """The caller has to change the request; nothing was done."""

    reason = "INVALID_FIELD"


class MalformedMessage(InvalidRequest):
    """The bytes are not a message of the expected type (or a string in it is not UTF-8)."""

    reason = "MALFORMED_MESSAGE"


class MessageTooLarge(InvalidRequest):
    """The audio is larger than the server accepts in one message."""

    reason = "MESSAGE_TOO_LARGE"


class UploadRefused(InvalidRequest):
    """Whoever passed the upload on (the gateway, of a form) refused it in the middle."""

    reason = "UPLOAD_REFUSED"


class TextEmpty(InvalidRequest):
    """Raised if there is nothing to say."""

    reason = "TEXT_EMPTY"


class TextTooLong(InvalidRequest):
    """The text has more characters than the server accepts in one request."""

    reason = "TEXT_TOO_LONG"


class TextUnspeakable(InvalidRequest):
    """The text has letters that the model cannot pronounce; saying the rest would lose words."""

    reason = "TEXT_UNSPEAKABLE"


class AudioEmpty(InvalidRequest):
    """Raised if there is no audio in the request."""

    reason = "AUDIO_EMPTY"


class AudioUndecodable(InvalidRequest):
    """The bytes are not audio, or are damaged."""

    reason = "AUDIO_UNDECODABLE"


class AudioTruncated(InvalidRequest):
    """The container announces more audio than the upload has."""

    reason = "AUDIO_TRUNCATED"


class AudioTooLong(InvalidRequest):
    """The audio lasts longer than the server accepts, whatever its size in bytes."""

    reason = "AUDIO_TOO_LONG"


class OptionUnsupported(InvalidRequest):
    """The model cannot do what was asked, and doing something else instead would surprise."""

    reason = "OPTION_UNSUPPORTED"


class ModelNotFound(SpeechError):
    """Raised if no model of that name (or alias) and kind is configured."""

    reason = "MODEL_NOT_FOUND"


class VoiceNotFound(SpeechError):
    """The model has no voice of that name (or alias)."""

    reason = "VOICE_NOT_FOUND"


class VoiceExists(SpeechError):
    """Raised if there is a voice of that name already."""

    reason = "VOICE_EXISTS"


class SampleLength(InvalidRequest):
    """The recording of a speaker is too short or too long to make a voice of."""

    reason = "SAMPLE_LENGTH"


class CloningUnavailable(SpeechError):
    """Raised if no configured model can speak with a voice made from a sample."""

    reason = "CLONING_UNAVAILABLE"


class StorageFailed(SpeechError):
    """A failure to write, or read, what should be kept; what is ``passing`` may go well later."""

    reason = "STORAGE_FAILED"

    def __init__(self, message: str, *, field: str | None = None, passing: bool = False) -> None:
        super().__init__(message, field=field)
        self.passing = passing


class JobNotFound(SpeechError):
    """Raised if there is no job of that id, or if it is another key's."""

    reason = "JOB_NOT_FOUND"


class JobInOtherState(SpeechError):
    """The job is in a state in which that cannot be done."""

    reason = "JOB_STATE"


class JobIncomplete(SpeechError):
    """Raised if the audio of the job is not complete."""

    reason = "JOB_INCOMPLETE"


class RequestNotFound(SpeechError):
    """The history has no request of that id, or it is another key's."""

    reason = "REQUEST_NOT_FOUND"


class AudioNotKept(SpeechError):
    """The history has the request, and not its sound."""

    reason = "AUDIO_NOT_KEPT"


class ServerCrashed(SpeechError):
    """Servers that spoke a piece of a job were killed, one after the other."""

    reason = "SERVER_CRASHED"


class ServerStopping(SpeechError):
    """The server ends while a call waits for something to happen; another one can tell."""

    reason = "SERVER_STOPPING"


class Unauthenticated(SpeechError):
    """The server wants a key, and did not get one that it knows."""

    reason = "API_KEY_INVALID"


class KeyMissing(Unauthenticated):
    """The call came without a key."""

    reason = "API_KEY_MISSING"


class ScopeMissing(SpeechError):
    """The key may not do this; its operator can give it the scope."""

    reason = "SCOPE_MISSING"


class Busy(SpeechError):
    """Raised if a later try may succeed; ``retry_after_seconds`` estimates when."""

    reason = "BUSY"

    def __init__(self, message: str, *, retry_after_seconds: float, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after_seconds = retry_after_seconds


class QueueFull(Busy):
    """The model has as many calls running and waiting as it may."""

    reason = "QUEUE_FULL"


class MemoryShort(Busy):
    """The server has too little memory left for what the call needs."""

    reason = "MEMORY_SHORT"


class RateLimited(Busy):
    """The key has used up what it may use in a minute, or has as many calls in progress as it may."""

    reason = "RATE_LIMITED"


class TooManyJobs(Busy):
    """The key has as many jobs as it may, or as much text in them."""

    reason = "TOO_MANY_JOBS"


class TooManyVoices(SpeechError):
    """The key has as many custom voices as it may, or a voice as many names; unlike jobs, they stay."""

    reason = "TOO_MANY_VOICES"


class RequestIdReused(SpeechError):
    """The id of an earlier request came with another one."""

    reason = "REQUEST_ID_REUSED"


def request_id_reused() -> RequestIdReused:
    """The error of a request whose id is another's."""
    return RequestIdReused(
        "this request_id was sent with another request before; send a new one (a random UUID) with each "
        "request, and the same only to repeat one",
        field="request_id",
    )


class StreamIdle(SpeechError):
    """Raised if the caller sends nothing for longer than a stream may hold its place on a model."""

    reason = "STREAM_IDLE"


class ModelLoadFailed(SpeechError):
    """The model could not be loaded; the message names the cause."""

    reason = "MODEL_LOAD_FAILED"


class ModelFailed(SpeechError):
    """The model broke while it was serving this call."""

    reason = "MODEL_FAILED"


class ModelCrashed(ModelFailed):
    """The model broke for good while it was serving this call; it is loaded again, so a new call may do."""

    reason = "MODEL_CRASHED"


class UpstreamFailed(SpeechError):
    """The provider that serves the model elsewhere failed, or broke off; what was sent is not complete."""

    reason = "UPSTREAM_FAILED"


class UpstreamTimeout(UpstreamFailed):
    """The provider that serves the model elsewhere kept the call waiting for too long."""

    reason = "UPSTREAM_TIMEOUT"


class UpstreamBusy(Busy):
    """The provider that serves the model elsewhere takes no more calls for now."""

    reason = "UPSTREAM_BUSY"


class PipelineNotFound(SpeechError):
    """Raised if no pipeline of that name is configured."""

    reason = "PIPELINE_NOT_FOUND"


class ChatFailed(SpeechError):
    """The language model gave no reply, or not a whole one: an error of one turn, not of the call.

    ``recoverable`` says whether the same turn may go well if it is tried again.
    """

    reason = "CHAT_FAILED"
    recoverable: ClassVar[bool] = True


class ChatUnreachable(ChatFailed):
    """Raised if the endpoint's address does not answer."""

    reason = "CHAT_UNREACHABLE"


class ChatRefused(ChatFailed):
    """The endpoint does not want the request, or is no chat endpoint; asking again would not help."""

    reason = "CHAT_REFUSED"
    recoverable = False


class ChatTimeout(ChatFailed):
    """The endpoint sent nothing for too long."""

    reason = "CHAT_TIMEOUT"


class ChatBroken(ChatFailed):
    """The endpoint failed, or broke off in the middle of its reply."""

    reason = "CHAT_BROKEN"


class ConfigurationError(Exception):
    """The operator has to change the configuration; the server, or the gateway, does not start."""
