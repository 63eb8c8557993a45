"""Parts of the OpenAPI document for bodies that the routes read and write piece by piece."""

from typing import Any

from pydantic import BaseModel

from audio_gateway.dialects.chatterbox.library import AliasForm, NameForm, RenameForm, UploadForm
from audio_gateway.dialects.chatterbox.speech import SpeechForm

SOUND: dict[str, Any] = {"type": "string", "format": "binary"}
SPEECH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, or with stream_format sse its events.",
        "content": {"audio/wav": {"schema": SOUND}, "text/event-stream": {"schema": {"type": "string"}}},
    }
}


SAMPLE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The sound file.", "content": {"audio/*": {"schema": SOUND}}}
}
LONG_SOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound file, from its beginning to its end.",
        "content": {"audio/*": {"schema": SOUND}},
    }
}
JOB_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named progress; the last is named completed or error.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def _form(kind: type[BaseModel], *files: str, required: bool = True) -> dict[str, Any]:
    """The multipart body of a form with these files."""
    schema = kind.model_json_schema()
    schema.pop("$defs", None)
    schema["properties"] = {**dict.fromkeys(files, SOUND), **schema["properties"]}
    schema["required"] = [*(files if required else ()), *schema["required"]]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


SPEECH_FORM = _form(SpeechForm, "voice_file", required=False)
UPLOAD_FORM = _form(UploadForm, "voice_file")
NAME_FORM = _form(NameForm)
RENAME_FORM = _form(RenameForm)
ALIAS_FORM = _form(AliasForm)
