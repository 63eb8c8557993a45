"""Optional parts of this package: how they are installed."""


def install(extra: str) -> str:
    """Returns the command for ``extra`` of pyproject.toml.

    No public index has this package, so its name alone would get what somebody else calls so.
    """
    return f"pip install '.[{extra}]' in a clone of audio-grpc (of a wheel: its file name for the dot)"
