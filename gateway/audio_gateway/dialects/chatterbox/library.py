"""Voices, and the languages that they speak, in Chatterbox's shapes."""

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from audio_grpc.v1.model_pb2 import MODEL_KIND_SYNTHESIZER, Model
from audio_grpc.v1.voice_pb2 import CustomVoice

# How the sound files begin that people record voices in: https://en.wikipedia.org/wiki/List_of_file_signatures.
SIGNATURES = (
    (b"RIFF", "wav", "audio/wav"),
    (b"fLaC", "flac", "audio/flac"),
    (b"OggS", "ogg", "audio/ogg"),
    (b"ID3", "mp3", "audio/mpeg"),
    (b"\xff\xfb", "mp3", "audio/mpeg"),
)
UNKNOWN = ("bin", "application/octet-stream")
MPEG4 = ("m4a", "audio/mp4")
ENDINGS = {media_type: ending for _, ending, media_type in SIGNATURES} | {MPEG4[1]: MPEG4[0]}
LANGUAGES = {
    **{"ar": "Arabic", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish"},
    **{"fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "it": "Italian", "ja": "Japanese"},
    **{"ko": "Korean", "ms": "Malay", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese"},
    **{"ru": "Russian", "sv": "Swedish", "sw": "Swahili", "tr": "Turkish", "zh": "Chinese"},
}


Name = Annotated[str, Field(min_length=1, max_length=100, description="What to call it.")]


class UploadForm(BaseModel):
    """A voice for the library. Fields that are not listed are ignored."""

    voice_name: Name
    language: str = Field("", description="BCP-47 code of what the sample says.")


class NameForm(BaseModel):
    """The voice to be chosen."""

    voice_name: Name


class RenameForm(BaseModel):
    """A new name for a voice."""

    new_name: Name


class AliasForm(BaseModel):
    """A further name for a voice."""

    alias: Name


def described(voice: CustomVoice) -> dict[str, Any]:
    """One voice of the library; its files are called by its name, and ``path`` is where to download it."""
    ending = ENDINGS.get(voice.sample_media_type, UNKNOWN[0])
    return {
        "name": voice.name,
        "id": voice.id,
        "filename": f"{voice.name}.{ending}",
        "original_filename": f"{voice.name}.{ending}",
        "file_extension": f".{ending}",
        "file_size": voice.sample_bytes,
        "path": f"voices/{quote(voice.name, safe='')}/download",
        "upload_date": voice.create_time.ToJsonString(),
        "language": voice.language_code or "en",
        "aliases": list(voice.aliases),
        "duration_seconds": voice.sample_duration.ToMilliseconds() / 1000,
        "exists": True,
    }


def listed(voices: Iterable[CustomVoice]) -> dict[str, Any]:
    """The library, the newest voice first."""
    items = [described(voice) for voice in voices][::-1]
    return {"voices": items, "count": len(items)}


def names(voices: Iterable[CustomVoice]) -> dict[str, Any]:
    """All that requests can call a voice of the library."""
    known = [name for voice in voices for name in (voice.name, *voice.aliases)]
    return {"voice_names": known, "count": len(known)}


def chosen(voice: CustomVoice | None) -> dict[str, Any]:
    """The default voice; without one each model speaks with its first."""
    if voice is None:
        return {"default_voice": None, "source": "model", "voice_info": None, "path": None}
    return {"default_voice": voice.name, "source": "voice_library", "voice_info": described(voice)}


def aliases(voice: CustomVoice) -> dict[str, Any]:
    """Further names of a voice."""
    return {"voice_name": voice.name, "aliases": list(voice.aliases), "count": len(voice.aliases)}


def attachment(name: str, sample: bytes) -> tuple[str, dict[str, str]]:
    """Media type and headers of a sample that is downloaded (RFC 6266); no name can be a path."""
    ending, media_type = _kind(sample)
    file = quote(f"{name}.{ending}", safe="")
    return media_type, {
        "content-disposition": f"attachment; filename=\"voice.{ending}\"; filename*=UTF-8''{file}"
    }


def _kind(sample: bytes) -> tuple[str, str]:
    if sample[4:8] == b"ftyp":
        return MPEG4
    found = ((ending, media_type) for start, ending, media_type in SIGNATURES if sample.startswith(start))
    return next(found, UNKNOWN)


def languages(models: Iterable[Model]) -> dict[str, Any]:
    """Returns the languages of the synthesisers; the name is the code where it is a rare one."""
    speakers = [model for model in models if model.kind == MODEL_KIND_SYNTHESIZER]
    codes = dict.fromkeys(code for model in speakers for code in model.language_codes)
    items = [{"code": code, "name": LANGUAGES.get(code.partition("-")[0], code)} for code in codes]
    kind = "multilingual" if len({code.partition("-")[0] for code in codes}) > 1 else "standard"
    return {"languages": items, "count": len(items), "model_type": kind}
