"""One call, as it is known while it runs."""

import asyncio
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from audio_grpc.errors import SpeechError


@dataclass
class Call:
    """The record of a call for metrics, traces and logs. Moments are on ``time.perf_counter``; None: not yet.

    The interceptor makes it, whoever learns something fills it in, and the observer reads it when the
    call ends. Secrets have no place in it, and texts only as the ``preview`` that activities show.
    """

    service: str
    """Full name, such as audio_grpc.v1.TextToSpeechService."""
    method: str
    """Such as Synthesize."""
    request_id: str
    trace_id: str = ""
    """32 hex digits; empty if nobody traces the call."""
    key: str = ""
    """Name of the API key, never the key itself."""
    key_id: str = ""
    """The public id of the key; empty if the server asks for no keys."""
    scopes: frozenset[str] = frozenset()
    """The scopes that the key opens."""
    is_strangers: bool = False
    """True if the server asks for keys, and the caller has shown none."""
    model: str = ""
    """The model's own name; empty until one is found, as what callers write would make labels without end."""
    voice: str = ""
    """The voice's own name, once the model speaks with it."""
    characters: int = 0
    """Length of the text to speak."""
    preview: str = ""
    """The beginning of the text that is spoken, or was heard."""
    preview_characters: int = 0
    """The most characters of a preview; 0: texts are not kept."""
    piece: int = 0
    """The piece of the text that is being spoken, from 1."""
    piece_count: int = 0
    """0: not known."""
    progress: float | None = None
    """The part of the work that is done, 0 to 1; None: not known."""
    is_made: bool = False
    """All sound is made, and only has to be written."""
    audio_seconds_in: float = 0.0
    """Length of the recording, once it is decoded."""
    audio_seconds_out: float = 0.0
    """Sound that was made so far."""

    code: str = "OK"
    """Name of the gRPC status."""
    reason: str = ""
    """The stable name of the error, as in google.rpc.ErrorInfo."""
    wrong_field: str = ""
    """The request field at fault."""

    interruption: SpeechError | None = None
    """The error with which the server itself ends the call, if it does before the work is done."""

    started: float = field(default_factory=time.perf_counter)
    arrived: float = field(default_factory=time.perf_counter)
    """The request is complete; later than ``started`` for an upload that comes piece by piece."""
    began: float | None = None
    first_result: float | None = None
    ended: float | None = None

    def arrive(self) -> None:
        """Records that the last message of the request has come."""
        self.arrived = time.perf_counter()

    def begin(self) -> None:
        """The model has a place for the call, and starts on it."""
        self.began = time.perf_counter()

    def result(self) -> None:
        """Records that a result is ready; only the first counts."""
        if self.first_result is None:
            self.first_result = time.perf_counter()

    def show(self, text: str) -> None:
        """Go on with the preview, as far as there is one."""
        if len(self.preview) < self.preview_characters:
            self.preview = (self.preview + text)[: self.preview_characters]

    def fail(self, code: str, reason: str = "", wrong_field: str | None = None) -> None:
        """Say how the call ends, if not well."""
        self.code, self.reason, self.wrong_field = code, reason, wrong_field or ""

    def interrupt(self, task: asyncio.Task[object], error: SpeechError) -> None:
        """Have the ``task`` that serves the call end it with this error."""
        if self.interruption is None:
            self.interruption = error
            task.cancel()

    def end(self) -> None:
        """Sets the end of the call to now."""
        self.ended = time.perf_counter()

    @property
    def audio_seconds(self) -> float:
        """Sound that went in or came out, whichever way the call has."""
        return self.audio_seconds_in or self.audio_seconds_out

    @property
    def seconds(self) -> float:
        """The seconds that the call took, or has taken until now."""
        return (self.ended or time.perf_counter()) - self.started

    @property
    def remaining_seconds(self) -> float | None:
        """The seconds that the model will still need at the pace so far; None: not known."""
        if self.began is None or self.ended is not None or not self.progress:
            return None
        return (time.perf_counter() - self.began) * (1.0 - self.progress) / self.progress

    @property
    def worked_seconds(self) -> float | None:
        """The seconds from the model's beginning to the end of the call; None until both have come."""
        return None if self.began is None or self.ended is None else self.ended - self.began

    @property
    def queued_seconds(self) -> float | None:
        """The seconds that the complete request waited for a place, for the model's loading, for a thread."""
        return None if self.began is None else self.began - self.arrived

    @property
    def first_result_seconds(self) -> float | None:
        """The seconds from the complete request to its first sound or segment; None until there is one."""
        return None if self.first_result is None else self.first_result - self.arrived


current_call: ContextVar[Call] = ContextVar("current_call")
"""The call that is being served; set by the observer, and on the model's threads while they work on it."""
