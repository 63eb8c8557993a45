"""The keys whose voices, jobs and requests a caller sees."""

from dataclasses import replace

from audio_grpc.access.policies import Scope
from audio_grpc.storage.voices import Viewer
from audio_grpc.telemetry.call import current_call


def key_of_caller() -> str | None:
    """The id of the caller's key; None, where no keys are asked for: everybody's things are seen."""
    return current_call.get().key_id or None


def speaker() -> Viewer:
    """Returns the view of custom voices to speak with: the caller's own, and the shared ones."""
    call = current_call.get()
    return Viewer(call.key_id, sees_all=not call.key_id and not call.is_strangers)


def manager() -> Viewer:
    """Returns the view of custom voices to change: the caller's own and the shared; all for an operator."""
    is_admin = Scope.ADMIN in current_call.get().scopes
    return replace(speaker(), sees_all=True) if is_admin else speaker()
