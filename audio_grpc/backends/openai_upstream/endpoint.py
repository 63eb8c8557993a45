"""One provider: its connections, its key, and what its HTTP answers mean."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar

import httpx2

from audio_grpc.backends.openai_upstream import quirks
from audio_grpc.backends.openai_upstream.breaker import Breaker
from audio_grpc.backends.openai_upstream.failure import Failure, failure
from audio_grpc.backends.openai_upstream.options import UpstreamOptions
from audio_grpc.errors import InvalidRequest, UpstreamBusy, UpstreamTimeout, VoiceNotFound

IDENTITY = "identity"
MAX_ERROR_BYTES = 64 << 10
MAX_MESSAGE_CHARACTERS = 500
# What is wrong with these is the caller's to mend: the content, not the way it is sent.
CALLERS_FAULT = {400, 413, 415, 422}
MAY_PASS = {408, 409, 425, 500, 502, 503, 504}
OUR_FIELDS = {
    "input": "text",
    "voice": "voice",
    "speed": "speed",
    "instructions": "instructions",
    "file": "audio",
    "language": "language_code",
    "prompt": "prompt",
    "temperature": "temperature",
}

Provider = TypeVar("Provider", bound=UpstreamOptions)


class Endpoint(Generic[Provider]):
    """One provider. To be made, used and closed on one event loop."""

    def __init__(self, options: Provider, key: str | None) -> None:
        self.options = options
        self.breaker = Breaker(failures_to_open=options.failures_to_open, open_seconds=options.open_seconds)
        self._key = key
        # What waits is timed as a whole, by whoever waits; see failover.py.
        timeout = httpx2.Timeout(None, connect=options.connect_seconds)
        # Compressed answers would come in larger pieces, and later.
        headers = {"accept-encoding": IDENTITY} | ({"authorization": f"Bearer {key}"} if key else {})
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=16)
        self._http = httpx2.AsyncClient(headers=headers, timeout=timeout, limits=limits)

    @property
    def is_available(self) -> bool:
        """Tells if it may get a request now."""
        return not (self.breaker.is_open or self.breaker.busy_seconds)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    @asynccontextmanager
    async def post(self, path: str, *, accept: str, **content: Any) -> AsyncIterator[httpx2.Response]:
        """The answer to a request whose body is ``content``, as httpx2 takes it; its head has status 200.

        Failure, also for what happens while the rest is read; InvalidRequest or VoiceNotFound if the caller
        has to change something.
        """
        url = self.options.base_url + path
        try:
            async with self._http.stream("POST", url, headers={"accept": accept}, **content) as response:
                # A few kilobytes of what is compressed can be megabytes, and are unpacked at once.
                if response.headers.get("content-encoding", IDENTITY).lower() != IDENTITY:
                    raise failure("compressed its answer although it was asked not to")
                if response.status_code != 200:
                    raise self._refused(response, await _start_of(response))
                yield response
        except httpx2.ConnectTimeout as error:
            raise Failure(UpstreamTimeout("the upstream cannot be reached in time"), again=True) from error
        except httpx2.ConnectError as error:
            raise failure("cannot be reached", again=True) from error
        except httpx2.HTTPError as error:
            raise failure(f"broke off ({type(error).__name__})", again=True) from error

    def complaint(self, body: Mapping[str, Any] | bytes) -> quirks.Complaint:
        """Returns the message, code and field of a provider's error, without the key that it may repeat."""
        complaint = quirks.complaint(body)
        message = complaint.message.replace(self._key, "[key]") if self._key else complaint.message
        return quirks.Complaint(message[:MAX_MESSAGE_CHARACTERS], complaint.code, complaint.param)

    def _refused(self, response: httpx2.Response, body: bytes) -> Exception:
        status, complaint = response.status_code, self.complaint(body)
        if status == 429 and complaint.code not in quirks.OUT_OF_CREDIT:
            seconds = quirks.retry_after_seconds(response.headers)
            message = "the upstream takes no more requests for now; try again later"
            return Failure(UpstreamBusy(message, retry_after_seconds=seconds))
        if status == 404 and complaint.param == "voice":
            return VoiceNotFound(f"the upstream refused the request: {complaint.message}", field="voice")
        ours = complaint.param in quirks.PARAMS_OF_OURS or complaint.code in quirks.CODES_OF_OURS
        if status in CALLERS_FAULT and not ours:
            refused = partial(InvalidRequest, field=OUR_FIELDS.get(complaint.param or ""))
            return refused(f"the upstream refused the request: {complaint.message or f'status {status}'}")
        if status in (401, 403):  # what it says of the key is nobody's business
            return failure(f"refused the server's key (status {status})")
        return failure(f"answered with status {status}", again=status in MAY_PASS)


async def _start_of(response: httpx2.Response) -> bytes:
    """Returns the beginning of the body, as much as an error needs."""
    body = b""
    async for data in response.aiter_bytes():
        body += data
        if len(body) > MAX_ERROR_BYTES:
            break
    return body[:MAX_ERROR_BYTES]
