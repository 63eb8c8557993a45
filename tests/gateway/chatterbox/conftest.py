"""A speaker that has all of Chatterbox's options, and remembers what it was asked for."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from audio_grpc.backends.base import ModelSpec, SynthesizerInfo
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.types import Speech, SynthesisOptions
from tests.gateway.conftest import Door, Open

OPTIONS = frozenset({"exaggeration", "cfg_weight", "temperature", "speed"})


class Actor:
    """Makes speakers that record the pieces and options that they are given."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.options: list[SynthesisOptions] = []

    def speaker(self, spec: ModelSpec) -> ToneSpeaker:
        actor = self

        class Acting(ToneSpeaker):
            @property
            def info(self) -> SynthesizerInfo:
                return replace(super().info, options=OPTIONS)

            def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
                actor.pieces.append(text)
                actor.options.append(options)
                yield from super().synthesize(text, options)

        return Acting(spec)


OpenActing = Callable[..., Awaitable[tuple[Door, Actor]]]


@pytest.fixture
async def open_acting(open_door: Open) -> OpenActing:
    """Opens a gateway in front of such a speaker, and the speaker's memory."""

    async def open_one(**changes: Any) -> tuple[Door, Actor]:
        door, actor = await open_door(**changes), Actor()
        model = door.server.models.synthesizer("")
        model._make = actor.speaker
        model._described = actor.speaker(model.spec)
        return door, actor

    return open_one
