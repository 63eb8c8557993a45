"""Runs ``audio-gateway``, or tells which packages to install for it."""

import sys

from audio_grpc.extras import install


def main() -> None:
    """Run the command."""
    try:
        from audio_gateway.cli import main as run
    except ImportError as error:
        sys.exit(f"error: {error}; install the gateway with: {install('gateway')}")
    run()


if __name__ == "__main__":
    main()
