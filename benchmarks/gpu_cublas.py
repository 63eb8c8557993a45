"""Lends CTranslate2 the cuBLAS that comes with PyTorch.

CTranslate2's wheels look for libcublas.so.12 in the system's folders. PyTorch's is in a package of its own,
and of CUDA 13 in its newer builds. CTranslate2 finds the functions that it calls by their names, which both
have. That the newer one works was not tested: no GPU was at hand.
"""

import ctypes
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

WANTED = "libcublas.so.12"
LIBRARIES = "LD_LIBRARY_PATH"


def lend_cublas(module: str) -> None:
    """Starts this program (``module``) again where PyTorch's cuBLAS is found, if it is needed and there.

    The loader reads its search path at the start of a process only.
    """
    if _is_there(WANTED) or (folder := _in_pytorch()) is None:
        return
    lent = Path(tempfile.gettempdir()) / f"audio-grpc-cublas-{os.getuid()}-{os.getpid()}"
    if str(lent) in os.environ.get(LIBRARIES, ""):
        return  # this is the second start, and it did not help
    link(folder, lent)
    path = os.pathsep.join(filter(None, [str(lent), os.environ.get(LIBRARIES)]))
    os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], os.environ | {LIBRARIES: path})


def link(folder: Path, lent: Path) -> None:
    """Fills ``lent`` with links to the libraries in ``folder``, and one of the name that is looked for."""
    lent.mkdir(mode=0o700)
    for library in folder.glob("lib*.so*"):
        (lent / library.name).symlink_to(library)
    if not (lent / WANTED).exists():
        (lent / WANTED).symlink_to(max(folder.glob("libcublas.so.*")))


def _is_there(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _in_pytorch() -> Path | None:
    """The folder with PyTorch's cuBLAS: beside it in site-packages, of version 12 if there are two."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    beside = Path(spec.origin).parent.parent / "nvidia"
    found = sorted(beside.glob("*/lib/libcublas.so.*"), key=lambda path: path.name != WANTED)
    return found[0].parent if found else None
