"""ModelService."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.backends.base import SynthesizerInfo
from audio_grpc.runtime.model import State
from audio_grpc.runtime.models import AnyModel, Models
from audio_grpc.services.tasks import until
from audio_grpc.telemetry.call import current_call
from audio_grpc.v1 import model_pb2 as pb
from audio_grpc.v1.model_pb2_grpc import ModelServiceServicer

Context = ServicerContext[Any, Any]

STATES = {
    State.UNLOADED: pb.MODEL_STATE_UNLOADED,
    State.LOADING: pb.MODEL_STATE_LOADING,
    State.READY: pb.MODEL_STATE_READY,
    State.FAILED: pb.MODEL_STATE_FAILED,
}


class ModelDirectory(ModelServiceServicer):
    """Tells about the configured models, and loads and unloads them."""

    def __init__(self, models: Models, watches_ended: asyncio.Event) -> None:
        self._models = models
        self._watches_ended = watches_ended

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Returns all models."""
        return pb.ListModelsResponse(models=[describe(model) for model in self._models.all])

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Returns the model of this name or alias. Raises ModelNotFound."""
        return pb.GetModelResponse(model=describe(self._find(request.name)))

    async def LoadModel(
        self, request: pb.LoadModelRequest, context: Context
    ) -> AsyncIterator[pb.LoadModelResponse]:
        """Loads the model; yields its states and progress until it is ready. Raises ServerStopping."""
        model = self._find(request.name)
        async with aclosing(until(self._watches_ended, model.load_with_progress())) as changes:
            async for _ in changes:
                yield pb.LoadModelResponse(model=describe(model))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """Unloads the model; returns its state once the memory is free."""
        model = self._find(request.name)
        await model.unload()
        return pb.UnloadModelResponse(model=describe(model))

    async def GetMemory(self, request: pb.GetMemoryRequest, context: Context) -> pb.GetMemoryResponse:
        """Returns the memory of this server."""
        return pb.GetMemoryResponse(memory=await self._memory())

    async def FreeMemory(self, request: pb.FreeMemoryRequest, context: Context) -> pb.FreeMemoryResponse:
        """Unloads idle models; returns the memory before and after, and the names of the models."""
        before = await self._memory()
        unloaded = await self._models.room.clear()
        return pb.FreeMemoryResponse(before=before, after=await self._memory(), unloaded_models=unloaded)

    async def _memory(self) -> pb.Memory:
        used, free = await self._models.room.measure()
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

    def _find(self, name: str) -> AnyModel:
        model = self._models.any(name)
        current_call.get().model = model.name
        return model


def describe(model: AnyModel) -> pb.Model:
    """Returns the message for a model as it is now."""
    info = model.backend.info
    message = pb.Model(
        name=model.name,
        aliases=model.spec.aliases,
        kind=pb.MODEL_KIND_TRANSCRIBER,
        state=STATES[model.state],
        backend=model.spec.backend,
        device=model.spec.device,
        compute_type=model.spec.compute_type,
        language_codes=info.language_codes,
        streaming=True,
        options=sorted(info.options),
        load_error=model.load_error,
        running=model.admission.running,
        queued=model.admission.waiting,
        max_running=model.admission.places,
        max_queued=model.admission.queue,
        load_progress=model.progress.done,
        load_step=model.progress.step,
    )
    if model.state is State.READY:
        message.MergeFrom(
            pb.Model(host_memory_bytes=model.footprint.host, device_memory_bytes=model.footprint.device)
        )
    if isinstance(info, SynthesizerInfo):
        message.kind = pb.MODEL_KIND_SYNTHESIZER
        message.voices.extend(voice.name for voice in info.voices)
        message.sample_rate_hertz = info.sample_rate_hertz
    return message
