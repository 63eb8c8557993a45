"""Packs what `python -m benchmarks.gpu` needs on a machine with nothing but PyTorch, and no network.

    python -m benchmarks.gpu_pack gpu.tar.xz [--python 3.12] [--cosyvoice-path DIR]

There, `tar xf gpu.tar.xz && cd gpu && python -m benchmarks.gpu`. The archive has wheels for x86-64 and one
version of Python, unpacked; CosyVoice's code; and what measures. Weights are made there, at
random.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from audio_grpc.backends.cosyvoice import library

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 64 * 2**20
WITH_NEEDS = ("pydantic>=2.11,<3", "requests", "pyyaml", "regex", "tqdm", "packaging", "importlib-metadata")
ALONE = (
    *("conformer==0.3.2", "diffusers==0.29.0", "einops>=0.8,<1", "hyperpyyaml==1.2.3", "ruamel.yaml<0.19"),
    *("huggingface-hub>=0.30,<1", "safetensors", "tokenizers>=0.21,<0.22", "transformers==4.52.4"),
    *("ctranslate2>=4.6,<5", "numpy>=2,<3", "torchaudio>=2.6,<3"),
)
"""Without what they need: PyTorch brings it, gpu_stand_ins.py stands in for it, or it is named above."""
GLIBCS = (17, 24, 27, 28, 31, 34)
"""Of manylinux_2_N; pip takes each by itself."""
CODE = ("audio_grpc", "benchmarks", "tests/__init__.py", "tests/cosyvoice", "LICENSE", "THIRD_PARTY.md")
LEFT_OUT = ("__pycache__", "tests", "test", "testing", "include", "beside")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_pack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--python", default="3.12", help="of the machine with the GPU (default: 3.12)")
    parser.add_argument(
        "--cosyvoice-path",
        type=Path,
        metavar="DIR",
        help="checkout of CosyVoice's code (default: xinference's)",
    )
    options = parser.parse_args()
    code = library.find(options.cosyvoice_path)
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder)
        download(wheels, options.python)
        with tarfile.open(options.file, "w:xz", preset=6) as archive:
            pack(archive, wheels, code)
    size = options.file.stat().st_size
    print(f"{options.file}: {size / 2**20:.1f} MiB")
    if size > LARGEST:
        sys.exit(f"benchmarks.gpu_pack: that is more than {LARGEST // 2**20} MiB")


def download(wheels: Path, python: str) -> None:
    """Fetches the wheels for another machine."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(wheels)]
    pip += ["--implementation", "cp", "--python-version", python]
    for platform in (*(f"manylinux_2_{glibc}_x86_64" for glibc in GLIBCS), "manylinux2014_x86_64"):
        pip += ["--platform", platform]
    subprocess.run([*pip, *WITH_NEEDS], check=True)
    subprocess.run([*pip, "--no-deps", *ALONE], check=True)


def pack(archive: tarfile.TarFile, wheels: Path, code: library.Library) -> None:
    """Everything below one folder, from which Python imports it."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as files:
            for name in files.namelist():
                if not name.endswith("/") and not set(Path(name).parts).intersection(LEFT_OUT):
                    add(archive, name, files.read(name))
    for name in CODE:
        for path in _files(ROOT / name):
            add(archive, str(path.relative_to(ROOT)), path.read_bytes())
    number = version("audio-grpc")
    metadata = f"Metadata-Version: 2.1\nName: audio-grpc\nVersion: {number}\n"
    add(archive, f"audio_grpc-{number}.dist-info/METADATA", metadata.encode())
    # Where the adapter looks for it if it is told of no checkout.
    add(archive, "xinference/__init__.py", b"")
    for package, folder in (("cosyvoice", code.cosyvoice), ("matcha", code.matcha)):
        for path in folder.rglob("*.py"):
            add(archive, f"xinference/thirdparty/{package}/{path.relative_to(folder)}", path.read_bytes())


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for each in sorted(path.rglob("*")):
        if each.is_file() and not set(each.relative_to(path).parts).intersection(LEFT_OUT):
            yield each


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """A file of the archive; alike in each, so that the archive depends on the contents only."""
    member = tarfile.TarInfo(f"gpu/{name}")
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    main()
