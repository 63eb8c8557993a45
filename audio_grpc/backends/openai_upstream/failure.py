"""How one try at a provider failed."""

from dataclasses import dataclass

from audio_grpc.errors import UpstreamBusy, UpstreamFailed


@dataclass
class Failure(Exception):
    """What the caller is told if no other provider does better, and whether the same one may at once."""

    error: UpstreamFailed | UpstreamBusy
    again: bool = False


def failure(message: str, *, again: bool = False) -> Failure:
    """The provider failed; ``message`` goes on after "the upstream"."""
    return Failure(UpstreamFailed(f"the upstream {message}"), again)
