"""Parts of the OpenAPI document for bodies that the routes read and write piece by piece."""

from typing import Any

from pydantic import BaseModel

from audio_gateway.dialects.openai.forms import LISTS, TranscriptForm, TranslationForm, VoiceForm
from audio_gateway.errors import ErrorBody

JSON, EVENTS = "application/json", "text/event-stream"
SOUND: dict[str, Any] = {"type": "string", "format": "binary"}
TEXT: dict[str, Any] = {"schema": {"type": "string"}}

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request has to be changed; param names the field."},
    401: {"model": ErrorBody, "description": "The key is missing or unknown."},
    404: {"model": ErrorBody, "description": "There is no model or voice of that name."},
    409: {"model": ErrorBody, "description": "There is one already."},
    413: {"model": ErrorBody, "description": "Too large."},
    429: {"model": ErrorBody, "description": "Too much at once; Retry-After says when to come back."},
    500: {"model": ErrorBody, "description": "The model broke."},
    503: {"model": ErrorBody, "description": "Not now; Retry-After says when to come back."},
    504: {"model": ErrorBody, "description": "It took too long."},
}
SPEECH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, or with stream_format sse its events.",
        "content": {
            **{
                kind: {"schema": SOUND}
                for kind in ("audio/mpeg", "audio/ogg", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")
            },
            EVENTS: TEXT,
        },
    }
}
TRANSCRIPT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, or with stream its events.",
        "content": {
            JSON: {"schema": {"type": "object", "required": ["text"]}},
            "text/plain": TEXT,
            "text/vtt": TEXT,
            "application/x-subrip": TEXT,
            EVENTS: TEXT,
        },
    }
}


def _form(kind: type[BaseModel], file: str) -> dict[str, Any]:
    """Returns the multipart body of a form with one file."""
    schema = kind.model_json_schema()
    schema.pop("$defs", None)
    properties: dict[str, Any] = {file: SOUND}
    for name, of in schema["properties"].items():
        if name == "chunking_strategy":
            of = {"type": "string", "description": of["description"]}
        properties[f"{name}[]" if name in LISTS else name] = of
    schema["properties"] = properties
    schema["required"] = [file, *schema["required"]]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


TRANSCRIPTION_FORM = _form(TranscriptForm, "file")
TRANSLATION_FORM = _form(TranslationForm, "file")
VOICE_FORM = _form(VoiceForm, "audio_sample")
