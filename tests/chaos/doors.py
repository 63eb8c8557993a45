"""The doors of Envoy by which an RPC of the contract can be called, each in its own protocol."""

import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import httpx2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from audio_grpc.client import ServiceError
from audio_grpc.client.requests import AsyncRequests
from tests.contract import Rpc

DEADLINE_SECONDS = 20.0
FRAME = struct.Struct(">BI")
TRAILERS_FLAG = 0x80
"""The flag of gRPC-Web's last frame, which has the status: PROTOCOL-WEB.md of gRPC."""
END_FLAG = 0x02
"""The flag of the last frame of a stream of Connect: https://connectrpc.com/docs/protocol."""
CONNECT_CODES = {code.name.lower().replace("cancelled", "canceled"): code.name for code in grpc.StatusCode}
CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True)
class Answer:
    """The end of a call: a gRPC status by name, or ``HTTP 404`` where there was none."""

    code: str
    message: str = ""


class Door(Protocol):
    """One way in."""

    name: str

    def takes(self, rpc: Rpc) -> bool:
        """Tells if the RPC can be called this way."""
        ...

    async def call(self, rpc: Rpc, requests: Iterable[Message], key: str) -> Answer:
        """Calls it, reads all of the answer, and returns the status."""
        ...


class Grpc:
    """gRPC over HTTP/2."""

    name = "grpc"

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)

    async def close(self) -> None:
        await self._channel.close()

    def takes(self, rpc: Rpc) -> bool:
        return True

    async def call(self, rpc: Rpc, requests: Iterable[Message], key: str) -> Answer:
        method: Any = self._channel.stream_stream(rpc.path, request_serializer=_serialized)
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        return await answer(method(iter(requests), timeout=DEADLINE_SECONDS, metadata=metadata))


async def answer(call: Any) -> Answer:
    """Reads all of a call's answer; its status is what the server said, also if a write failed before."""
    said = AsyncRequests(call)
    try:
        async for _ in call:
            pass
        return Answer("OK")
    except grpc.aio.AioRpcError as error:
        status = await said.explained(ServiceError.of(error))
        return Answer(status.code.name, status.message)
    finally:
        call.cancel()


class _Http:
    """A door of HTTP/1.1."""

    def __init__(self, address: str) -> None:
        self._client = httpx2.AsyncClient(base_url=f"http://{address}", timeout=DEADLINE_SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, path: str, body: bytes, key: str, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()} | _authorization(key)
        return await self._client.post(path, content=body, headers=named)


class GrpcWeb(_Http):
    """gRPC-Web, as a browser speaks it."""

    name = "grpc-web"

    def takes(self, rpc: Rpc) -> bool:
        return not rpc.takes_many

    async def call(self, rpc: Rpc, requests: Iterable[Message], key: str) -> Answer:
        body = b"".join(_frame(request) for request in requests)
        response = await self._post(rpc.path, body, key, content_type="application/grpc-web+proto")
        status = dict(response.headers)
        for flag, data in _frames(response.content):
            if flag & TRAILERS_FLAG:
                lines = data.decode(errors="replace").splitlines()
                status |= {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
        if "grpc-status" not in status:
            return Answer(f"HTTP {response.status_code}", response.text[:200])
        return Answer(CODES[int(status["grpc-status"])], status.get("grpc-message", ""))


class Connect(_Http):
    """Connect in protobuf."""

    name = "connect"

    def takes(self, rpc: Rpc) -> bool:
        return not rpc.takes_many

    async def call(self, rpc: Rpc, requests: Iterable[Message], key: str) -> Answer:
        if rpc.answers_many:
            body = b"".join(_frame(request) for request in requests)
            response = await self._post(rpc.path, body, key, content_type="application/connect+proto")
            ends = [data for flag, data in _frames(response.content) if flag & END_FLAG]
            told = json.loads(ends[-1] or b"{}").get("error") if ends else {"code": ""}
        else:
            body = b"".join(request.SerializeToString() for request in requests)
            response = await self._post(
                rpc.path, body, key, content_type="application/proto", connect_protocol_version="1"
            )
            told = None if response.status_code == httpx2.codes.OK else _connect_error(response)
        if told is None:
            return Answer("OK")
        code = CONNECT_CODES.get(told.get("code", ""), f"HTTP {response.status_code}")
        return Answer(code, told.get("message", ""))


class Rest(_Http):
    """JSON over HTTP, translated by Envoy."""

    name = "rest"

    def takes(self, rpc: Rpc) -> bool:
        return bool(rpc.verb)

    async def call(self, rpc: Rpc, requests: Iterable[Message], key: str) -> Answer:
        fields = [MessageToDict(request, preserving_proto_field_name=True) for request in requests]
        given = fields[0] if fields else {}
        path = re.sub(r"\{(\w+)\}", lambda found: quote(str(given.pop(found[1], "-")), safe=""), rpc.template)
        sent: dict[str, Any] = {"json": given} if rpc.has_body else {"params": _flat(given)}
        response = await self._client.request(rpc.verb, path, headers=_authorization(key), **sent)
        if response.status_code == httpx2.codes.OK:
            return Answer("OK")
        try:
            status = response.json()
        except ValueError:
            status = None
        code = status.get("code") if isinstance(status, dict) else None
        named = CODES.get(code) if isinstance(code, int) else None
        return Answer(named or f"HTTP {response.status_code}", response.text[:200])


def _serialized(request: Message) -> bytes:
    return request.SerializeToString()


def _authorization(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def _frame(request: Message) -> bytes:
    data = request.SerializeToString()
    return FRAME.pack(0, len(data)) + data


def _frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Flags and data of each frame; a frame that was cut is left out."""
    at = 0
    while at + FRAME.size <= len(body):
        flag, size = FRAME.unpack_from(body, at)
        at += FRAME.size + size
        if at <= len(body):
            yield flag, body[at - size : at]


def _connect_error(response: httpx2.Response) -> dict[str, Any]:
    try:
        told = response.json()
    except ValueError:
        return {"message": response.text[:200]}
    return told if isinstance(told, dict) else {}


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Fields of a query, those of messages within with their path."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value).lower() if isinstance(value, bool) else value
    return flat
