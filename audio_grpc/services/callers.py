"""Whose things a caller sees."""

from audio_grpc.telemetry.call import current_call


def key_of_caller() -> str | None:
    """The id of the caller's key; None, where no keys are asked for: everybody's things are seen."""
    return current_call.get().key_id or None
