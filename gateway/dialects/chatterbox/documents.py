"""What the OpenAPI document says of bodies that the routes read and write piece by piece."""

from typing import Any

from pydantic import BaseModel

from gateway.dialects.chatterbox.speech import SpeechForm

SOUND: dict[str, Any] = {"type": "string", "format": "binary"}
SPEECH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, or with stream_format sse its events.",
        "content": {"audio/wav": {"schema": SOUND}, "text/event-stream": {"schema": {"type": "string"}}},
    }
}


def form(kind: type[BaseModel], file: str, *, required: bool) -> dict[str, Any]:
    """The multipart body of a form with one file."""
    schema = kind.model_json_schema()
    schema.pop("$defs", None)
    schema["properties"] = {file: SOUND, **schema["properties"]}
    schema["required"] = [*([file] if required else []), *schema["required"]]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


SPEECH_FORM = form(SpeechForm, "voice_file", required=False)
