"""The file of API keys: what is kept of each, and how one is added and revoked.

A key is 256 random bits, so nobody can guess one from its SHA-256. A slow hash, which is for passwords
that people think up, would only make every call slow.
"""

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen
from filelock import FileLock
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from audio_grpc import disk
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import ORDINARY, Scope
from audio_grpc.errors import ConfigurationError

PREFIX = "ag-"
"""The prefix by which people, and scanners for leaked secrets, recognise a key."""
SECRET_BYTES = 32
LONGEST_NAME = 64


@dataclass(frozen=True)
class Key:
    """The stored record of a key: its digest, name and rights, but not the secret itself."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: Annotated[str, MinLen(1)]
    """Public: for logs, and to revoke it by."""
    name: str
    created: datetime
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    limits: KeyLimits = field(default_factory=KeyLimits)
    scopes: tuple[Scope, ...] | None = None
    """The scopes that it opens; None: it was made before there were scopes, and opens everything."""

    def may(self, scope: Scope) -> bool:
        """Tells if it opens this part of the service."""
        return self.scopes is None or scope in self.scopes


@dataclass(frozen=True)
class _Content:
    __pydantic_config__ = ConfigDict(extra="forbid")

    keys: list[Key]


def digest(secret: str) -> str:
    """Returns the SHA-256 of a secret in hexadecimal; keys are stored and looked up by it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(name: str, limits: KeyLimits, scopes: Sequence[Scope] = ORDINARY) -> tuple[Key, str]:
    """A new key, and its secret, which nobody can be told again."""
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    created = datetime.now(UTC).replace(microsecond=0)
    key_id = f"key_{secrets.token_hex(6)}"
    return Key(key_id, name, created, digest(secret), limits, _ordered(scopes)), secret


def read(path: Path) -> list[Key]:
    """Returns the keys of a file. Raises ConfigurationError if there is none, or if it is malformed."""
    try:
        return TypeAdapter(_Content).validate_json(path.read_bytes()).keys
    except OSError as error:
        raise ConfigurationError(
            f"the key file {path} cannot be read: {error.strerror}; make one with: "
            f"audio-grpc keys add NAME --keys-file {path}"
        ) from error
    except ValidationError as error:
        # Without what stands there, which could be a key in the wrong place; and without the cause, which
        # would bring it into the log.
        problems = "; ".join(_problem(one["loc"], one["msg"]) for one in error.errors())
    raise ConfigurationError(
        f"the key file {path} is malformed: {problems}; change it with audio-grpc keys only, or take it away"
    )


def _problem(place: tuple[int | str, ...], said: str) -> str:
    where = ".".join(map(str, place))
    return f"{where}: {said}" if where else said


def add(path: Path, name: str, limits: KeyLimits, scopes: Sequence[Scope] = ORDINARY) -> tuple[Key, str]:
    """Make a key and keep it in the file, which is made if need be; the key, and its secret.

    ConfigurationError for a name that is no name or is taken, and for a file that is malformed; OSError.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigurationError(f"a key's name has 1 to {LONGEST_NAME} printable characters")
    with _changing(path) as keys:
        if any(name in (key.id, key.name) for key in keys):
            raise ConfigurationError(f"there is a key {name!r} already; revoke it, or choose another name")
        key, secret = make(name, limits, scopes)
        keys.append(key)
    return key, secret


def revoke(path: Path, id_or_name: str) -> Key:
    """Take a key out of the file. Raises ConfigurationError if it is not in there; OSError."""
    with _changing(path) as keys:
        key = _named(keys, id_or_name)
        keys.remove(key)
        return key


def set_scopes(path: Path, id_or_name: str, scopes: Sequence[Scope]) -> Key:
    """Let a key open these parts of the service only. ConfigurationError if the file lacks it; OSError."""
    with _changing(path) as keys:
        key = _named(keys, id_or_name)
        changed = replace(key, scopes=_ordered(scopes))
        keys[keys.index(key)] = changed
        return changed


def _named(keys: list[Key], id_or_name: str) -> Key:
    for key in keys:
        if id_or_name in (key.id, key.name):
            return key
    known = ", ".join(key.name for key in keys) or "none"
    raise ConfigurationError(f"there is no key {id_or_name!r}; there are: {known}")


def _ordered(scopes: Sequence[Scope]) -> tuple[Scope, ...]:
    """Each once, in the order of the table."""
    return tuple(scope for scope in Scope if scope in scopes)


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """The keys, for a change that nobody else's change comes between."""
    with FileLock(path.with_name(f"{path.name}.lock"), mode=0o600):
        keys = read(path) if path.exists() else []
        yield keys
        _replace(path, TypeAdapter(_Content).dump_json(_Content(keys), indent=2, exclude_none=True) + b"\n")


def _replace(path: Path, data: bytes) -> None:
    """A server that reads meanwhile sees the file of before or that of after; its owner alone may read it."""
    with disk.replacing(path, 0o600) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        if sys.platform != "win32" and path.exists():
            # Root may add a key for a server that runs as somebody else and must still be able to read.
            os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
