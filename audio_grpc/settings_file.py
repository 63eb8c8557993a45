"""The file of settings, audio-grpc.toml, and what is said of settings that cannot be."""

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audio_grpc.errors import ConfigurationError

DEFAULT_FILE = Path("audio-grpc.toml")
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""The types of pydantic's errors for an unknown name."""


def tables(file: Path | None) -> dict[str, Any]:
    """Reads the file named, or ./audio-grpc.toml if there is one.

    ConfigurationError if it cannot be read, or is not TOML. Editors may begin it with a byte order mark.
    """
    path = file or DEFAULT_FILE
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except FileNotFoundError as error:
        if file is None:
            return {}
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start}); save it as that") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def problems(error: ValidationError, known: Iterable[str]) -> str:
    """Tells what is wrong with settings; of a name that is none of the ``known`` ones, which may be meant."""
    names = list(known)
    return "; ".join(_problem(one["loc"], one["type"], one["msg"], names) for one in error.errors())


def _problem(place: tuple[int | str, ...], kind: str, said: str, known: list[str]) -> str:
    where = ".".join(map(str, place))
    if kind not in UNKNOWN:
        return f"{where}: {said}" if where else said
    meant = get_close_matches(str(place[-1]), known, n=1)
    return (
        f"{where} is no setting; {f'did you mean {meant[0]}?' if meant else 'see docs/guides/configure.md'}"
    )
