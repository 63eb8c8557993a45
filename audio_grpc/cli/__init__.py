"""The command line; the only reader of arguments and environment."""

import os
import sys

from audio_grpc.extras import install


def main() -> None:
    """Run the command, or tell which packages to install for it."""
    # NumPy's matrices here are small, and its other threads would keep cores busy waiting for more of them: a
    # quarter of the work of Whisper base on short recordings. It is read once, when NumPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from audio_grpc.cli.app import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error}; install the command line with: {install('cli')}")
    run()
