"""Every configured model, by name and alias."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from audio_grpc.backends.base import Synthesizer, Transcriber
from audio_grpc.errors import ConfigurationError, ModelNotFound, quoted
from audio_grpc.openai_names import Family, spellings
from audio_grpc.runtime.memory_manager import MemoryManager
from audio_grpc.runtime.model import Model

AnyModel = Model[Synthesizer] | Model[Transcriber]
M = TypeVar("M", bound=AnyModel)


class Models:
    """Every configured model, by name and alias; the first of a kind is its default."""

    def __init__(
        self,
        synthesizers: Iterable[Model[Synthesizer]],
        transcribers: Iterable[Model[Transcriber]],
        memory: MemoryManager,
    ) -> None:
        self.memory = memory
        self._keeping_memory_free: asyncio.Task[None] | None = None
        self.synthesizers = list(synthesizers)
        self.transcribers = list(transcribers)
        taken = Counter(name for model in self.all for name in model.names)
        if twice := [name for name, count in taken.items() if count > 1]:
            raise ConfigurationError(f"more than one model answers to the name {twice[0]!r}")

    @property
    def all(self) -> list[AnyModel]:
        """Synthesisers first, each kind in the order of the configuration."""
        return [*self.synthesizers, *self.transcribers]

    def synthesizer(self, name: str) -> Model[Synthesizer]:
        """Returns the synthesiser of that name, alias or OpenAI name, by default the first.

        Raises ModelNotFound.
        """
        model = _named(self.synthesizers, name) if name else next(iter(self.synthesizers), None)
        return model or self._openai(self.synthesizers, "synthesiser", Family.SPEAKS, name)

    def transcriber(self, name: str) -> Model[Transcriber]:
        """Returns the transcriber of that name, alias or OpenAI name, by default the first.

        Raises ModelNotFound.
        """
        model = _named(self.transcribers, name) if name else next(iter(self.transcribers), None)
        return model or self._openai(self.transcribers, "transcriber", Family.TRANSCRIBES, name)

    def any(self, name: str) -> AnyModel:
        """Returns the model of either kind by its name, alias or OpenAI name. Raises ModelNotFound."""
        if model := _named(self.all, name):
            return model
        if self.transcribers and Family.TRANSCRIBES.has(name):
            return self.transcribers[0]
        if self.synthesizers and Family.SPEAKS.has(name):
            return self.synthesizers[0]
        raise _not_found(self.all, "model", name, field="name")

    def _openai(self, models: Sequence[M], kind: str, family: Family, name: str) -> M:
        """The default model of a kind, for names that no model is configured to have."""
        if models and family.has(name) and _named(self.all, name) is None:
            return models[0]
        raise _not_found(models, kind, name, field="model")

    def keep_room(self) -> None:
        """Starts to unload idle models when memory is short."""
        self._keeping_memory_free = asyncio.create_task(self.memory.keep(), name="keep memory free")

    async def close(self) -> None:
        """Unload every model."""
        if self._keeping_memory_free is not None:
            self._keeping_memory_free.cancel()
        await asyncio.gather(*(model.unload() for model in self.all))


def _named(models: Sequence[M], name: str) -> M | None:
    """The model that is configured to answer to the name, or to that of which it is a snapshot."""
    return next((model for spelt in spellings(name) for model in models if spelt in model.names), None)


def _not_found(models: Sequence[AnyModel], kind: str, name: str, field: str) -> ModelNotFound:
    known = ", ".join(model.name for model in models) or "none"
    return ModelNotFound(f"no {kind} is named {quoted(name)}; there are: {known}", field=field)
