"""Reads multipart/form-data (RFC 7578) as it arrives, so that a file is never held whole."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from audio_gateway.bodies import pieces
from audio_gateway.errors import ApiError
from audio_gateway.problems import missing
from audio_grpc.client import AsyncClient, AsyncUpload

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 256
MAX_FIELD_BYTES = 1 << 20
"""The most bytes of all fields that are no files, together."""
MAX_NAME_BYTES = 256
MAX_OVERHEAD_BYTES = 1 << 20
"""The most bytes of boundaries, headers, and anything before and after the form."""

Write = Callable[[bytes], Awaitable[None]]
Fields = dict[str, list[str]]


@dataclass
class FileField:
    """The receiver of a file's bytes, and the most bytes that it takes."""

    write: Write
    max_bytes: int
    required: bool = True
    size: int = 0
    seen: bool = False


@dataclass
class _BodyPart:
    """A part of the body, as far as it has come."""

    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    value: bytearray = field(default_factory=bytearray)
    file: FileField | None = None
    is_misnamed: bool = False
    """True if it is a file with a name that no file has here."""


async def read_form(request: Request, files: Mapping[str, FileField]) -> Fields:
    """Pass each file on as it comes; the other fields, each with its values in their order.

    ApiError with status 400 if the body is no form, is cut short, has a file twice or lacks one, and with
    413 if a file or the rest is too large.
    """
    parts = _PartsReader(files)
    parser = MultipartParser(_boundary(request), parts.callbacks())
    most = sum(file.max_bytes for file in files.values()) + MAX_FIELD_BYTES + MAX_OVERHEAD_BYTES
    refusals = [_too_large(name, file) for name, file in files.items()]
    async for chunk in pieces(request, most, refusals[0] if refusals else None):
        try:
            parser.write(chunk)
        except FormParserError as error:
            _refuse(f"the body is not a well-formed multipart form ({error})")
        await parts.flush()
    if not parts.ended:
        _refuse("the form was cut short: its closing boundary is missing; send it again")
    for name, file in files.items():
        if file.required and not file.seen:
            raise missing(name, f"the form has no file {name!r}; {parts.advice(name)}")
    return parts.fields


@asynccontextmanager
async def passed_on(service: AsyncClient) -> AsyncIterator[AsyncUpload]:
    """An upload for the file of a form. Of a form that is refused, the server is told so, and why."""
    async with service.upload() as upload:
        try:
            yield upload
        except ApiError as error:
            await upload.refuse(error.message, error.param)
            raise


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        _refuse("the body must be multipart/form-data with a boundary, as forms with files are sent")
    boundary: bytes = options[b"boundary"]
    if len(boundary) > 70:
        _refuse("the boundary of the form is longer than 70 characters (RFC 2046)")
    return boundary


class _PartsReader:
    """Takes what the parser finds, and has it passed on."""

    def __init__(self, files: Mapping[str, FileField]) -> None:
        self.fields: Fields = {}
        self.ended = False
        self._files = files
        self._waiting: list[tuple[FileField, bytes]] = []
        self._part = _BodyPart()
        self._header = (bytearray(), bytearray())
        self._count = self._bytes = 0
        self._misnamed = ""

    def advice(self, name: str) -> str:
        """Returns advice about the file of that name, which did not come."""
        return f"name {self._misnamed!r} so" if self._misnamed else "send one"

    def callbacks(self) -> "MultipartCallbacks":
        """Returns the callbacks by the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    async def flush(self) -> None:
        """Passes on the file data that has come."""
        waiting, self._waiting = self._waiting, []
        for file, data in waiting:
            await file.write(data)

    def _begin(self) -> None:
        self._count += 1
        if self._count > MAX_FIELDS:
            _refuse(f"the form has more than {MAX_FIELDS} fields", status=413)
        self._part = _BodyPart()

    def _end_header(self) -> None:
        name, value = (bytes(part).decode("latin-1") for part in self._header)
        self._part.headers[name.lower()] = value
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        part = self._part
        kind, options = parse_options_header(part.headers.get("content-disposition"))
        name = options.get(b"name", b"")
        if kind != b"form-data" or not name or len(name) > MAX_NAME_BYTES:
            _refuse("a part of the form has no Content-Disposition: form-data with a name")
        part.name = _text(name, "the name of a field")
        part.file = self._files.get(part.name)
        if part.file is None:
            part.is_misnamed = b"filename" in options and bool(self._files)
            self._misnamed = part.name if part.is_misnamed else self._misnamed
            return
        if part.file.seen:
            _refuse(f"the form has more than one {part.name!r}; send one file a request", param=part.name)
        part.file.seen = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        part, size = self._part, end - start
        if part.file is None:
            self._bytes += size
            if self._bytes > MAX_FIELD_BYTES:
                self._refuse_misnamed(part)
                _refuse("the fields of the form are too large", status=413, param=part.name)
            part.value += data[start:end]
            return
        part.file.size += size
        if part.file.size > part.file.max_bytes:
            raise _too_large(part.name, part.file)
        self._waiting.append((part.file, data[start:end]))

    def _end(self) -> None:
        part = self._part
        if part.file is None:
            if part.is_misnamed and not _is_text(part.value):
                self._refuse_misnamed(part)
            value = _text(bytes(part.value), f"the field {part.name!r}")
            self.fields.setdefault(part.name, []).append(value)

    def _refuse_misnamed(self, part: _BodyPart) -> None:
        if part.is_misnamed:
            known = " or ".join(map(repr, self._files))
            _refuse(f"no file is named {part.name!r} here; name it {known}", param=part.name)

    def _end_form(self) -> None:
        self.ended = True


def _is_text(data: bytes | bytearray) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        _refuse(f"{what} is not UTF-8")


def _refuse(message: str, *, status: int = 400, param: str | None = None) -> NoReturn:
    raise ApiError(status, message, param=param, code="invalid_form" if status == 400 else "too_large")


def _too_large(name: str, file: FileField) -> ApiError:
    limit = file.max_bytes / (1 << 20)
    message = f"the file is larger than {limit:g} MiB; send it compressed (Opus, FLAC, MP3) or in parts"
    return ApiError(413, message, param=name, code="too_large")
