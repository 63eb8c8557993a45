"""The command line; the only reader of arguments and environment."""

import sys

from audio_grpc.extras import install


def main() -> None:
    """Run the command, or tell which packages to install for it."""
    try:
        from audio_grpc.cli.app import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error}; install the command line with: {install('cli')}")
    run()
