"""The file of settings, audio-grpc.toml, and what is said of settings that cannot be."""

import os
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_grpc.addresses import target
from audio_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import ValidationError

DEFAULT_FILE = Path("audio-grpc.toml")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 50051
PREFIX = "AUDIO_GRPC_"
API_KEY_VARIABLE = PREFIX + "API_KEY"
"""The variable with the key that commands call a server with; it is no setting of the server."""
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


def server_address() -> str:
    """Returns the address in ./audio-grpc.toml or in the environment, which counts more; else the default.

    It is what ``config.load()`` says as well, for commands that only call a server: those go without what
    checks its other settings. Raises ConfigurationError.
    """
    written = tables(None)
    host = os.environ.get(f"{PREFIX}HOST") or written.get("host", DEFAULT_HOST)
    port = os.environ.get(f"{PREFIX}PORT") or written.get("port", DEFAULT_PORT)
    if not isinstance(host, str) or not str(port).isdecimal():
        raise ConfigurationError(f"host {host!r} with port {port!r} is no address of a server")
    return target(host, port)


def problems(error: "ValidationError", known: Iterable[str]) -> str:
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
