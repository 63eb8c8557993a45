"""Every configured model, by name and alias."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from audio_grpc.backends.base import Synthesizer, Transcriber
from audio_grpc.errors import ConfigurationError, ModelNotFound
from audio_grpc.runtime.model import Model
from audio_grpc.runtime.room import Room

AnyModel = Model[Synthesizer] | Model[Transcriber]


class Models:
    """Every configured model, by name and alias; the first of a kind is its default."""

    def __init__(
        self,
        synthesizers: Iterable[Model[Synthesizer]],
        transcribers: Iterable[Model[Transcriber]],
        room: Room,
    ) -> None:
        self.room = room
        self._keeping_room: asyncio.Task[None] | None = None
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
        """By name or alias; empty for the default. ModelNotFound."""
        return _find(self.synthesizers, "synthesiser", name, field="model")

    def transcriber(self, name: str) -> Model[Transcriber]:
        """By name or alias; empty for the default. ModelNotFound."""
        return _find(self.transcribers, "transcriber", name, field="model")

    def any(self, name: str) -> AnyModel:
        """Of either kind, by name or alias. ModelNotFound."""
        return _find(self.all, "model", name, field="name")

    def keep_room(self) -> None:
        """From now on unload idle models when memory is short."""
        self._keeping_room = asyncio.create_task(self.room.keep(), name="keep room")

    async def close(self) -> None:
        """Unload every model."""
        if self._keeping_room is not None:
            self._keeping_room.cancel()
        await asyncio.gather(*(model.unload() for model in self.all))


M = TypeVar("M", bound=AnyModel)


def _find(models: Sequence[M], kind: str, name: str, field: str) -> M:
    if not name and field == "model" and models:
        return models[0]
    for model in models:
        if name in model.names:
            return model
    known = ", ".join(model.name for model in models) or "none"
    raise ModelNotFound(f"no {kind} is named {name!r}; there are: {known}", field=field)
