"""The failure of one try at a provider."""

from dataclasses import dataclass

from audio_grpc.errors import UpstreamBusy, UpstreamFailed


@dataclass
class Failure(Exception):
    """The caller's error if no other provider does better; ``again`` if a retry may help at once."""

    error: UpstreamFailed | UpstreamBusy
    again: bool = False


def failure(message: str, *, again: bool = False) -> Failure:
    """The provider failed; ``message`` goes on after "the upstream"."""
    return Failure(UpstreamFailed(f"the upstream {message}"), again)
