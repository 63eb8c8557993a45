"""Models and voices in OpenAI's shapes."""

from typing import Literal

from pydantic import BaseModel

from audio_grpc.v1.model_pb2 import MODEL_KIND_SYNTHESIZER, ModelKind, ModelState
from audio_grpc.v1.model_pb2 import Model as ServiceModel
from audio_grpc.v1.text_to_speech_pb2 import Voice as ServiceVoice
from audio_grpc.v1.voice_pb2 import CustomVoice

OWNER = "audio-grpc"


class ModelEntry(BaseModel):
    """A name that requests can use for a model; what follows ``owned_by`` is ours."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """The service does not know when a model was made."""
    owned_by: str = OWNER
    root: str
    """The model's own name, where the id is an alias."""
    kind: str
    state: str
    backend: str
    languages: list[str]
    voices: list[str]
    host_memory_bytes: int | None
    """The bytes of host memory that loading it took, by estimate; null if it is not loaded, or not known."""
    device_memory_bytes: int | None
    """The bytes of GPU memory that loading it took, by estimate; 0 on a CPU."""


class ModelList(BaseModel):
    """Every name of every model."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class VoiceEntry(BaseModel):
    """A voice that speech can be made with; the model's own ones have their name as id."""

    id: str
    object: Literal["audio.voice"] = "audio.voice"
    created_at: int
    name: str
    type: Literal["audio_sample", "builtin"]
    models: list[str]
    languages: list[str]
    description: str
    aliases: list[str]


class VoiceChoice(BaseModel):
    """The fields of a voice or a model that Open WebUI, among others, reads."""

    id: str
    name: str


class VoiceList(BaseModel):
    """Every voice of every model, in two shapes."""

    object: Literal["list"] = "list"
    data: list[VoiceEntry]
    voices: list[VoiceChoice]


class SpeakerList(BaseModel):
    """The names of the models that speak, as Open WebUI reads them."""

    models: list[VoiceChoice]


class DeletedVoice(BaseModel):
    """The answer about a voice that was deleted."""

    id: str
    object: Literal["audio.voice.deleted"] = "audio.voice.deleted"
    deleted: bool = True


def named(model: ServiceModel, name: str) -> ModelEntry:
    """Returns a model under one of its names."""
    return ModelEntry(
        id=name,
        root=model.name,
        kind=_word(ModelKind.Name(model.kind)),
        state=_word(ModelState.Name(model.state)),
        backend=model.backend,
        languages=list(model.language_codes),
        voices=list(model.voices),
        host_memory_bytes=model.host_memory_bytes if model.HasField("host_memory_bytes") else None,
        device_memory_bytes=model.device_memory_bytes if model.HasField("device_memory_bytes") else None,
    )


def listed(models: list[ServiceModel]) -> ModelList:
    """Returns every model under each of its names."""
    return ModelList(data=[named(model, name) for model in models for name in (model.name, *model.aliases)])


def speakers(models: list[ServiceModel]) -> SpeakerList:
    """Every model that speaks, under each of its names."""
    speaking = (model for model in models if model.kind == MODEL_KIND_SYNTHESIZER)
    names = (name for model in speaking for name in (model.name, *model.aliases))
    return SpeakerList(models=[VoiceChoice(id=name, name=name) for name in names])


def speakers_of(voices: list[ServiceVoice]) -> SpeakerList:
    """Returns the models that these voices are of."""
    return SpeakerList(
        models=[VoiceChoice(id=name, name=name) for name in dict.fromkeys(v.model for v in voices)]
    )


def _word(name: str) -> str:
    """The part of an enum's name that is for people: READY of MODEL_STATE_READY."""
    return name.split("_", 2)[2].lower()


def voices(own: list[ServiceVoice], custom: list[CustomVoice]) -> VoiceList:
    """The models' own voices, each once, and the custom ones."""
    speakers: dict[str, list[str]] = {}
    for voice in own:
        speakers.setdefault(voice.name, []).append(voice.model)
    builtin = {voice.name: builtin_voice(voice, speakers[voice.name]) for voice in own if not voice.custom}
    made = [custom_voice(voice, speakers.get(voice.id, [])) for voice in custom]
    data = [*builtin.values(), *made]
    return VoiceList(data=data, voices=[VoiceChoice(id=voice.id, name=voice.name) for voice in data])


def builtin_voice(voice: ServiceVoice, models: list[str]) -> VoiceEntry:
    """Returns a voice that came with its models."""
    return VoiceEntry(
        id=voice.name,
        created_at=0,
        name=voice.name,
        type="builtin",
        models=models,
        languages=list(voice.language_codes),
        description=voice.description,
        aliases=list(voice.aliases),
    )


def custom_voice(voice: CustomVoice, models: list[str]) -> VoiceEntry:
    """Returns a voice that was made from a sample."""
    return VoiceEntry(
        id=voice.id,
        created_at=voice.create_time.ToSeconds(),
        name=voice.name,
        type="audio_sample",
        models=models,
        languages=[voice.language_code] if voice.language_code else [],
        description="",
        aliases=[],
    )
