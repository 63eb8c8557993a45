"""Request ids, by which a repeated request is recognised: https://google.aip.dev/155."""

import re
from hashlib import sha256

from google.protobuf.message import Message

from audio_grpc.errors import InvalidRequest, quoted
from audio_grpc.types import RequestId

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def read_request_id(given: str, asked: Message) -> RequestId | None:
    """Returns what a request that asks for this is known by; None if it was given no id. InvalidRequest."""
    if not given:
        return None
    if not UUID.fullmatch(given):
        raise InvalidRequest(
            f"{quoted(given)} is no UUID; send a random one, such as 2f1c9b1e-8d0a-4c39-9e0b-5b6a7c8d9e0f, "
            "or leave it out",
            field="request_id",
        )
    return RequestId(given.lower(), sha256(asked.SerializeToString(deterministic=True)).hexdigest())
