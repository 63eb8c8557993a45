"""Differences between providers and OpenAI, and among providers."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from audio_grpc.languages import CODES
from audio_grpc.text import encodable

OUT_OF_CREDIT = {"insufficient_quota", "billing_hard_limit_reached"}
"""Codes of OpenAI's that come with 429, but that waiting does not mend."""
PARAMS_OF_OURS = {"model", "response_format", "stream", "stream_format", "timestamp_granularities[]"}
CODES_OF_OURS = {"model_not_found", "invalid_api_key", "invalid_model"}
"""Faults that are none of the caller's, though the status says so: the configuration chose them."""

UNDETERMINED = "und"
TELLING_BYTES = 4
"""The bytes of a file that tell its format."""
DEFAULT_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 3600.0

# The beginnings of files, by the response_format that they are.
_MAGIC = {b"RIFF": "wav", b"ID3": "mp3", b"OggS": "opus", b"fLaC": "flac"}
_MP3_TYPES = {"audio/mpeg", "audio/mp3"}
_BINARY_TYPES = {"application/octet-stream", "binary/octet-stream", ""}

_CODE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Complaint:
    """The parts of an error."""

    message: str = ""
    code: str | None = None
    param: str | None = None


def complaint(body: Mapping[str, Any] | bytes) -> Complaint:
    """OpenAI has ``{"error": {"message", "code", "param"}}``, others a text there, or ``detail``."""
    if isinstance(body, bytes):
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            return Complaint()  # a page for people
        body = parsed if isinstance(parsed, Mapping) else {}
    error = body.get("error", body)
    if not isinstance(error, Mapping):
        return Complaint(encodable(str(error)))
    message = error.get("message") or error.get("detail") or ""
    return Complaint(encodable(str(message)), _name(error.get("code")), _name(error.get("param")))


def _name(value: object) -> str | None:
    return value if isinstance(value, str) else None


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Reads OpenAI's ``retry-after-ms``, or ``retry-after`` in seconds or as a date (RFC 9110, 10.2.3)."""
    seconds = _number(headers.get("retry-after-ms", ""), 0.001) or _number(headers.get("retry-after", ""))
    if seconds is None:
        seconds = _until(headers.get("retry-after", ""))
    return DEFAULT_PAUSE_SECONDS if seconds is None else min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS)


def _number(value: str, unit: float = 1.0) -> float | None:
    try:
        number = float(value) * unit
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until(date: str) -> float | None:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def is_audio(content_type: str) -> bool:
    """Many call their audio bare bytes."""
    return content_type.startswith("audio/") or content_type in _BINARY_TYPES


def recognised_format(content_type: str, start: bytes) -> str:
    """The response_format that an answer is in, as far as its beginning tells: pcm, if it tells nothing.

    LiteLLM's proxy long called every format audio/mpeg, so the type alone says nothing. Bare samples can
    begin with any bytes, also with those of an MP3 frame, so those count only with the type.
    """
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            return name
    is_frame = len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2
    return "mp3" if is_frame and content_type in _MP3_TYPES else "pcm"


def language_code(name: str) -> str:
    """BCP-47 code of a transcript's language, which OpenAI names in English and others send as a code."""
    return CODES.get(name.lower(), name if _CODE.fullmatch(name) else UNDETERMINED)
