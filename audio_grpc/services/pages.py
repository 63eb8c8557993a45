"""Lists in pages: how many entries, and after which."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from audio_grpc.errors import InvalidRequest
from audio_grpc.services.fields import within
from audio_grpc.store import Position

DEFAULT_PAGE, LARGEST_PAGE = 20, 100


def read_page(page_size: int, page_token: str) -> tuple[int, Position | None]:
    """How many entries, and after which. InvalidRequest."""
    size = within("page_size", page_size, 0, LARGEST_PAGE) or DEFAULT_PAGE
    return size, _position(page_token) if page_token else None


def page_token(position: Position | None) -> str:
    """Stands for the place behind an entry, opaque to callers; empty if nothing is behind it."""
    if position is None:
        return ""
    return urlsafe_b64encode(f"{position.created!r} {position.id}".encode()).decode()


def _position(token: str) -> Position:
    try:
        created, entry_id = urlsafe_b64decode(token.encode()).decode().split(" ")
        return Position(float(created), entry_id)
    except ValueError as error:
        raise InvalidRequest(
            "page_token is not one that a list gave; send its next_page_token, or none", field="page_token"
        ) from error
