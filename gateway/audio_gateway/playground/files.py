"""The files of the page."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("page")
INDEX = "index.html"
VERSION_MARK = "{{version}}"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class PageFile:
    """A script, a style sheet or a picture."""

    content: bytes
    media_type: str


class PageFiles:
    """The files of the page, read once. ``index`` names the others by a path with the version in it."""

    def __init__(self) -> None:
        contents = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file()}
        self.version = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
        self.index = contents.pop(INDEX).decode().replace(VERSION_MARK, self.version)
        self.files = {
            name: PageFile(content, MEDIA_TYPES[Path(name).suffix]) for name, content in contents.items()
        }
