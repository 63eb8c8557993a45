"""ModelService."""

from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.backends.base import SynthesizerInfo
from audio_grpc.runtime.memory import Footprint
from audio_grpc.runtime.model import State
from audio_grpc.runtime.models import AnyModel, Models
from audio_grpc.services.pages import page_of
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


class ModelServicer(ModelServiceServicer):
    """Tells about the configured models."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Returns a page of the models."""
        every = (((number,), describe(model)) for number, model in enumerate(self._models.all))
        models, following = page_of(every, request)
        return pb.ListModelsResponse(models=models, next_page_token=following)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Returns the model of this name or alias. Raises ModelNotFound."""
        return pb.GetModelResponse(model=describe(find_model(self._models, request.name)))


def find_model(models: Models, name: str) -> AnyModel:
    """Returns the model of this name or alias, and notes that the call is about it. Raises ModelNotFound."""
    model = models.any(name)
    current_call.get().model = model.name
    return model


def describe(model: AnyModel) -> pb.Model:
    """Returns the message for a model as it is now."""
    info, state, progress = model.backend.info, model.state, model.progress
    footprint = model.footprint if state is State.READY else Footprint()
    message = pb.Model(
        name=model.name,
        aliases=model.spec.aliases,
        kind=pb.MODEL_KIND_TRANSCRIBER,
        state=STATES[state],
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
        load_progress=progress.done,
        load_step=progress.step,
        host_memory_bytes=footprint.host,
        device_memory_bytes=footprint.device,
    )
    if isinstance(info, SynthesizerInfo):
        message.kind = pb.MODEL_KIND_SYNTHESIZER
        message.voices.extend(voice.name for voice in info.voices)
        message.sample_rate_hertz = info.sample_rate_hertz
    return message
