"""Optional parts of this package: how they are installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from audio_grpc.errors import ConfigurationError


def install(extra: str) -> str:
    """Returns the command for ``extra`` of pyproject.toml.

    No public index has this package, so its name alone would get what somebody else calls so.
    """
    return f"pip install '.[{extra}]' in a clone of audio-grpc (of a wheel: its file name for the dot)"


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Raises ConfigurationError, which says what to install, for an import in it that fails."""
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(f"{error}; install it with: {install(extra)}") from error
