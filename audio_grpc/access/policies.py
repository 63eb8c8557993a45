"""The table of policies, in which every method of the contract stands.

It says which scopes a key needs to call a method, which characters and bytes it is charged for, and whether
the method may be sent twice. Which messages bring sound is read from the contract itself: those with a field
of bytes in them, wherever it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

PACKAGE = "audio_grpc.v1."
FieldPath = tuple[str, ...]


class Scope(StrEnum):
    """A part of the service that a key gives access to."""

    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    VOICES = "voices"
    JOBS = "jobs"
    HISTORY = "history"
    ADMIN = "admin"


ORDINARY = tuple(scope for scope in Scope if scope is not Scope.ADMIN)
"""The scopes of a key for which none were named: all but what concerns everybody."""


class Retry(Enum):
    """The cases in which a proxy may repeat a call to which no answer has begun."""

    SAFE = "safe"
    """Always: another call does no harm."""
    UNSENT = "unsent"
    """Only a call that certainly reached no server."""


class SoundFate(Enum):
    """The fate of the sound in a message; all of it is charged as upload."""

    NONE = "none"
    HELD = "held"
    """The upload is in memory until the call ends."""
    REPLACED = "replaced"
    """The upload is in memory until the next of its kind comes, or the call ends."""
    PASSING = "passing"
    """The upload is processed and dropped."""


@dataclass(frozen=True)
class Policy:
    """The rules for one method. Fields of its request are named by their path, such as ``speech.text``."""

    scopes: frozenset[Scope] = frozenset()
    """The scopes that a key needs, all of them; any key will do if empty."""
    text: str = ""
    """The field with the text that is to be spoken."""
    replaced: str = ""
    """The field with sound that the next of its kind replaces."""
    passing: str = ""
    """The field with sound that is heard and forgotten."""
    charges_reply: bool = False
    """True if what is spoken is a text that the caller did not send."""
    is_public: bool = False
    """True if a caller who shows no key may call it, too, and is told what everybody may know."""
    counts: bool = True
    """True if it is one of the calls that a key may make in a minute, and at once."""
    retry: Retry = Retry.SAFE

    def characters(self, request: Any) -> int:
        """Returns how long the text is that ``request`` wants to be spoken."""
        *above, last = self.text.split(".")
        if not last:
            return 0
        for name in above:
            request = getattr(request, name)
        return len(getattr(request, last))

    def sound(self, request: Any) -> SoundFate:
        """Tells what becomes of the sound that ``request`` brings."""
        path = next((path for path in sound_fields(request.DESCRIPTOR) if _brings(request, path)), None)
        if path is None:
            return SoundFate.NONE
        kinds = {self.replaced: SoundFate.REPLACED, self.passing: SoundFate.PASSING}
        return kinds.get(".".join(path), SoundFate.HELD)


def _policy(*scopes: Scope, **rules: Any) -> Policy:
    return Policy(frozenset(scopes), **rules)


def _once(*scopes: Scope, **rules: Any) -> Policy:
    return Policy(frozenset(scopes), retry=Retry.UNSENT, **rules)


ANY_KEY = Policy()
OPERATORS = Policy(frozenset({Scope.ADMIN}))
POLICIES: Mapping[str, Mapping[str, Policy]] = {
    "TextToSpeechService": {
        "Synthesize": _policy(Scope.SPEECH, text="text"),
        "StreamingSynthesize": _policy(Scope.SPEECH, text="text"),
        "ListVoices": _policy(is_public=True),
    },
    "SpeechToTextService": {
        "Transcribe": _policy(Scope.TRANSCRIPTION),
        "TranscribeUpload": _policy(Scope.TRANSCRIPTION),
        "StreamingTranscribe": _policy(Scope.TRANSCRIPTION, passing="audio"),
    },
    "ConversationService": {
        "Converse": _policy(
            *(Scope.SPEECH, Scope.TRANSCRIPTION), replaced="recording", passing="audio", charges_reply=True
        ),
        "ListPipelines": ANY_KEY,
    },
    "ModelService": {
        "ListModels": ANY_KEY,
        "GetModel": ANY_KEY,
    },
    "ModelAdminService": {
        "LoadModel": OPERATORS,
        "UnloadModel": OPERATORS,
        "GetMemory": OPERATORS,
        "FreeMemory": OPERATORS,
    },
    "VoiceService": {
        "CreateCustomVoice": _once(Scope.VOICES),
        "ListCustomVoices": ANY_KEY,
        "GetCustomVoice": ANY_KEY,
        "DeleteCustomVoice": _once(Scope.VOICES),
        "UpdateCustomVoice": _once(Scope.VOICES),
        "GetCustomVoiceSample": _policy(Scope.VOICES),
        "GetDefaultVoice": ANY_KEY,
    },
    "VoiceAdminService": {
        "ShareCustomVoice": _once(Scope.ADMIN),
        "SetDefaultVoice": _once(Scope.ADMIN),
        "CleanUpCustomVoices": _once(Scope.ADMIN),
    },
    "JobService": {
        "CreateSpeechJob": _once(Scope.JOBS, text="speech.text"),
        "ListSpeechJobs": _policy(Scope.JOBS),
        "GetSpeechJob": _policy(Scope.JOBS),
        "WatchSpeechJob": _policy(Scope.JOBS),
        "PauseSpeechJob": _once(Scope.JOBS),
        "ResumeSpeechJob": _once(Scope.JOBS),
        "RetrySpeechJob": _once(Scope.JOBS),
        "CancelSpeechJob": _once(Scope.JOBS),
        "DeleteSpeechJob": _once(Scope.JOBS),
        "DownloadSpeechJob": _policy(Scope.JOBS),
    },
    "ActivityService": {
        "ListActivities": ANY_KEY,
        "WatchActivities": ANY_KEY,
        "ClearActivities": ANY_KEY,
        "GetStatistics": ANY_KEY,
    },
    "ActivityAdminService": {
        "ListAllActivities": OPERATORS,
        "WatchAllActivities": OPERATORS,
        "ClearAllActivities": OPERATORS,
        "GetTotalStatistics": OPERATORS,
    },
    "HistoryService": {
        "ListPastRequests": _policy(Scope.HISTORY),
        "GetPastRequest": _policy(Scope.HISTORY),
        "GetPastRequestAudio": _policy(Scope.HISTORY),
        "DeletePastRequests": _policy(Scope.HISTORY),
    },
    "KeyService": {
        "GetKey": _policy(counts=False),
    },
}


@cache
def policy_of(path: str) -> Policy:
    """The policy of a method, by its path: /service/method. What is not of the contract is the operator's."""
    _, service, method = path.split("/")
    return POLICIES.get(service.removeprefix(PACKAGE), {}).get(method, OPERATORS)


@cache
def sound_fields(message: Descriptor) -> tuple[FieldPath, ...]:
    """The paths of all fields of bytes in a message, and in the messages that it has."""
    return tuple(_sound_fields(message, frozenset()))


def _sound_fields(message: Descriptor, above: frozenset[str]) -> list[FieldPath]:
    found: list[FieldPath] = []
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_BYTES:
            found.append((field.name,))
        elif field.message_type is not None and field.message_type.full_name not in above:
            inside = _sound_fields(field.message_type, above | {message.full_name})
            found.extend((field.name, *path) for path in inside)
    return found


def _brings(message: Any, path: FieldPath) -> bool:
    """Tells if all that the path leads through is there; of bytes, only where asking does not copy them."""
    for name in path:
        if message.DESCRIPTOR.fields_by_name[name].has_presence and not message.HasField(name):
            return False
        if name != path[-1]:
            message = getattr(message, name)
    return True
