"""The keys that may call, and the key of each call."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from audio_grpc.access.key_file import Key, digest, make, read
from audio_grpc.access.limits import KeyLimits
from audio_grpc.errors import ConfigurationError, StorageFailed, Unauthenticated

log = logging.getLogger(__name__)

Version = tuple[int, int, int, int]


class KeyStore:
    """The keys that are let in: those of a file, followed through its changes.

    A file that can no longer be read or understood lets nobody in until it can.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _version(path)
        self._keys = self._read()
        self._trouble = ""
        self._temporary: dict[str, Key] = {}

    def find(self, secret: str) -> Key:
        """The key with this secret. Raises Unauthenticated; StorageFailed if the file is unreadable.

        How long the search takes tells nothing of use: it compares digests, and whoever learned one
        would still have to find what has it.
        """
        self._follow()
        if self._trouble:
            raise StorageFailed("the server cannot read its keys, and lets nobody in; its log says why")
        if found := self._known(digest(secret)):
            return found
        raise _unknown()

    def revoked(self, key: Key) -> Unauthenticated | None:
        """Returns the error for a key that is no longer valid; None if it is, or the file is unreadable."""
        self._follow()
        return None if self._trouble or self._known(key.sha256) else _unknown()

    def revoked_ids(self, key_ids: Collection[str]) -> set[str]:
        """Returns the ids of keys that are no longer valid; none if the file is unreadable."""
        self._follow()
        if self._trouble:
            return set()
        return set(key_ids).difference(
            key.id for keys in (self._keys, self._temporary) for key in keys.values()
        )

    @contextmanager
    def temporary(self, name: str) -> Iterator[str]:
        """The secret of a key that is in this process only, and only as long as the context."""
        key, secret = make(name, KeyLimits())
        self._temporary[key.sha256] = key
        try:
            yield secret
        finally:
            del self._temporary[key.sha256]

    def _known(self, sha256: str) -> Key | None:
        return self._keys.get(sha256) or self._temporary.get(sha256)

    def _follow(self) -> None:
        """Read the file again if it is another one than last time, or could not be read then."""
        version = _version(self._path)
        if version == self._version and not self._trouble:
            return
        try:
            self._keys = self._read()
        except ConfigurationError as error:
            if self._trouble != str(error):  # once, and not for each call
                log.error("nobody is let in any more: %s", error)
            self._trouble = str(error)
            return
        self._version, self._trouble = version, ""
        log.info("there are %d keys in %s now", len(self._keys), self._path)

    def _read(self) -> dict[str, Key]:
        keys = read(self._path)
        if names := ", ".join(key.name for key in keys if key.scopes is None):
            log.warning(
                "keys of %s that were made before there were scopes may do everything, also what concerns "
                "everybody (admin): %s; say what each may do with: audio-grpc keys scopes NAME --scope SCOPE",
                *(self._path, names),
            )
        return {key.sha256: key for key in keys}


def _unknown() -> Unauthenticated:
    return Unauthenticated("the key is unknown or was revoked; ask the operator for another one")


def _version(path: Path) -> Version | None:
    """Returns values that differ once the file was replaced, edited, or given other permissions; None if
    there is no file.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
