"""Changes settings of models in a configuration, and leaves all else in it as it was written."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from audio_grpc.disk import replacing
from audio_grpc.errors import ConfigurationError
from audio_grpc.tuning.candidates import FIELDS

REMARK = "by audio-grpc tune"

Changes = Mapping[tuple[str, str], Mapping[str, int]]
"""Fields and options by the table of the kind (synthesizers, transcribers) and the model's name."""


class ConfigurationFile:
    """A file as it was when this was made. Raises ConfigurationError if it cannot be read, or written."""

    def __init__(self, path: Path, *, to_write: bool) -> None:
        self.path = path
        self._content = _read(path)
        place = path if self._content is not None else path.resolve().parent
        folder = path.resolve().parent
        if to_write and not (os.access(place, os.W_OK) and os.access(folder, os.W_OK)):
            raise ConfigurationError(
                f"{path} cannot be written; let this user write it and its folder, name another one with "
                "--config, or only look with --dry-run"
            )

    @property
    def text(self) -> str:
        """The content of the file; empty if there is none."""
        return (self._content or b"").decode()

    def changed(self, changes: Changes) -> str:
        """Returns its text with the changes. Raises ConfigurationError if its way of writing defies them."""
        expected = tomllib.loads(self.text)
        try:
            document = tomlkit.parse(self.text)
            for (kind, model), settings in changes.items():
                _set(document.setdefault(kind, tomlkit.table(is_super_table=True)), model, settings)
                _merge(expected, kind, model, settings)
            text = tomlkit.dumps(document)
            if tomllib.loads(text) == expected:
                return text
        except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError, KeyError):
            pass
        told = "; ".join(f"{kind}.{model}: {dict(settings)}" for (kind, model), settings in changes.items())
        raise ConfigurationError(f"{self.path} cannot be changed as it is written; write it there: {told}")

    def write(self, text: str) -> None:
        """Put a text in its place. ConfigurationError if somebody has written it meanwhile; OSError."""
        if _read(self.path) != self._content:
            raise ConfigurationError(
                f"{self.path} was written by somebody else meanwhile, so it was left as it is; run this again"
            )
        mode = self.path.stat().st_mode & 0o777 if self._content is not None else 0o644
        with replacing(self.path, mode) as file:
            file.write(text.encode())
            if self._content is not None:
                os.fchmod(file.fileno(), mode)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _set(models: Any, model: str, settings: Mapping[str, int]) -> None:
    if model not in models:
        models[model] = tomlkit.table()
    table = models[model]
    for name, value in settings.items():
        if name in FIELDS:
            _put(table, name, value)
            continue
        if "options" not in table:
            table["options"] = tomlkit.inline_table()
        _put(table["options"], name, value)


def _put(table: Any, name: str, value: int) -> None:
    if name in table:
        if table[name] != value:
            table[name] = value
        return
    table[name] = value
    if isinstance(table, tomlkit.items.Table):
        table[name].comment(REMARK)


def _merge(document: dict[str, Any], kind: str, model: str, settings: Mapping[str, int]) -> None:
    table = document.setdefault(kind, {}).setdefault(model, {})
    for name, value in settings.items():
        (table if name in FIELDS else table.setdefault("options", {}))[name] = value
