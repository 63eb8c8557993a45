"""ModelAdminService."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.runtime.model import State
from audio_grpc.runtime.models import Models
from audio_grpc.services.model import describe, find_model
from audio_grpc.services.tasks import until
from audio_grpc.v1 import model_admin_pb2 as pb
from audio_grpc.v1.model_admin_pb2_grpc import ModelAdminServiceServicer

Context = ServicerContext[Any, Any]


class ModelAdminServicer(ModelAdminServiceServicer):
    """Loads and unloads models."""

    def __init__(self, models: Models, watches_ended: asyncio.Event) -> None:
        self._models = models
        self._watches_ended = watches_ended

    async def LoadModel(
        self, request: pb.LoadModelRequest, context: Context
    ) -> AsyncIterator[pb.LoadModelResponse]:
        """Loads the model; yields its states and progress until it is ready. Raises ServerStopping."""
        model = find_model(self._models, request.name)
        async with aclosing(until(self._watches_ended, model.load_with_progress())) as changes:
            async for _ in changes:
                yield pb.LoadModelResponse(model=describe(model))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """Unloads the model; returns its state once the memory is free."""
        model = find_model(self._models, request.name)
        await model.unload()
        return pb.UnloadModelResponse(model=describe(model))

    async def GetMemory(self, request: pb.GetMemoryRequest, context: Context) -> pb.GetMemoryResponse:
        """Returns the memory of this server."""
        return pb.GetMemoryResponse(memory=await self._memory())

    async def FreeMemory(self, request: pb.FreeMemoryRequest, context: Context) -> pb.FreeMemoryResponse:
        """Unloads idle models; returns the memory before and after, and the names of the models."""
        before = await self._memory()
        unloaded = await self._models.memory.clear()
        return pb.FreeMemoryResponse(before=before, after=await self._memory(), unloaded_models=unloaded)

    async def _memory(self) -> pb.Memory:
        used, free = await self._models.memory.measure()
        gpus = sorted(device for device in free if device is not None)
        return pb.Memory(
            used_bytes=used,
            free_bytes=free[None],
            devices=[pb.DeviceMemory(device=f"cuda:{gpu}", free_bytes=free[gpu]) for gpu in gpus],
            models=[
                pb.ModelMemory(
                    model=model.name, host_bytes=model.footprint.host, device_bytes=model.footprint.device
                )
                for model in self._models.all
                if model.state is State.READY
            ],
        )
