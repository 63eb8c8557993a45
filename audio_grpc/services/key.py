"""KeyService."""

from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.access.policies import Scope
from audio_grpc.telemetry.call import current_call
from audio_grpc.v1 import key_pb2 as pb
from audio_grpc.v1.key_pb2_grpc import KeyServiceServicer


class KeyServicer(KeyServiceServicer):
    """Tells callers about their own keys."""

    async def GetKey(
        self, request: pb.GetKeyRequest, context: ServicerContext[Any, Any]
    ) -> pb.GetKeyResponse:
        """The caller's, which was checked before the call came here."""
        call = current_call.get()
        if not call.key_id:
            return pb.GetKeyResponse()
        scopes = [scope for scope in Scope if scope in call.scopes]
        return pb.GetKeyResponse(key=pb.Key(id=call.key_id, name=call.key, scopes=scopes))
