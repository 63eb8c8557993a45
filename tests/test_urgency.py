"""The order in which calls have their turns on a model's thread."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest

from audio_grpc.backends.tone import SPEAKER_RATE, ToneSpeaker
from audio_grpc.client import AsyncClient, Encoding, SpeechCancelled
from audio_grpc.runtime.urgency import (
    BACKGROUND_SECONDS,
    DueQueue,
    Given,
    PlaybackBuffer,
    Urgency,
    turn_due,
)
from audio_grpc.server import Server
from audio_grpc.types import Audio, Speech, SynthesisOptions
from tests.conftest import PATIENCE_SECONDS, Start
from tests.eventually import eventually


def test_a_call_is_due_when_it_asks_or_two_steps_before_its_listener_runs_dry() -> None:
    assert turn_due(100.0) == 100.0
    assert turn_due(100.0, dry_at=107.0, step_seconds=0.5) == 106.0
    assert turn_due(100.0, dry_at=100.5, step_seconds=0.5) == 100.0, "not before those that asked earlier"
    assert turn_due(100.0, dry_at=90.0) == 100.0, "having run dry long ago is no merit"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_listener_has_heard_what_he_was_given_once_it_was_played() -> None:
    clock, listener = Clock(), PlaybackBuffer()
    urgency = Urgency(listener, clock=clock)
    clock.now = 101.0
    urgency.begin_turn()
    urgency.count_result()
    assert urgency.due == 100.0, "its sound is not all handed over"
    clock.now = 109.0  # its reader had enough for a while
    urgency.begin_turn()
    clock.now = 109.5
    assert urgency.count_given(Given(4.0)) == 0.5
    assert (listener.dry_at, urgency.due) == (113.5, 112.5)
    assert urgency.count_given(Given(1.0)) == 0.0
    assert (listener.dry_at, urgency.due) == (114.5, 114.5)
    clock.now = 120.0
    assert Urgency(listener, clock=clock).due == 120.0, "he goes on listening when there is something again"
    urgency.count_given(Given(1.0))
    assert listener.dry_at == 121.0


def test_calls_that_nobody_listens_to_are_due_in_the_order_of_their_asking() -> None:
    clock = Clock()
    urgency, background = Urgency(clock=clock), Urgency(None, BACKGROUND_SECONDS, clock)
    assert background.due == urgency.due + BACKGROUND_SECONDS
    clock.now = 200.0
    for one, due in ((urgency, 200.0), (background, 200.0 + BACKGROUND_SECONDS)):
        one.count_given(Given(60.0))
        one.count_result()
        assert one.due == due


@pytest.mark.parametrize("kind", ["far ahead", "background", "not listening"])
def test_none_waits_for_ever_while_there_is_too_much_to_do(kind: str) -> None:
    """A step takes a second, and each second another call comes that wants one."""
    clock, listener, queue = Clock(), PlaybackBuffer(), DueQueue[str]()
    patient = {
        "far ahead": Urgency(listener, clock=clock),
        "background": Urgency(None, BACKGROUND_SECONDS, clock),
        "not listening": Urgency(clock=clock),
    }[kind]
    clock.now += 1.0
    patient.count_given(Given(10.0))
    queue.put("patient", patient.due)
    for number in range(20):
        queue.put(f"new {number}", Urgency(PlaybackBuffer(), clock=clock).due)
        if queue.take() == "patient":
            break
        clock.now += 1.0
    assert clock.now <= patient.due + 2.0


def test_the_queue_lets_the_earliest_out_and_of_equals_the_first() -> None:
    queue = DueQueue[str]()
    for item, due in (("b", 2.0), ("a", 1.0), ("c", 2.0), ("left", 9.0)):
        queue.put(item, due)
    assert queue.has_before(1.5)
    assert not queue.has_before(1.0)
    queue.hasten("left")
    queue.hasten("nobody")
    assert [queue.take() for _ in range(4)] == ["left", "a", "b", "c"]
    assert not queue.has_before(100.0)


class Studio:
    """A speaker whose pieces the test lets go: A0, A1 and so on of the call A, of so many ``seconds``."""

    def __init__(self, server: Server, client: AsyncClient, **seconds: float) -> None:
        self.order: list[str] = []
        self.in_hand: list[float] = []
        self.heard_seconds = defaultdict[str, float](float)
        self.model = server.models.synthesizer("")
        self.client = client
        self._seconds = seconds
        self._permits = threading.Semaphore(0)
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard: dict[str, asyncio.Task[None]] = {}

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        name = text.split()[0]
        assert options.in_hand is not None
        self.in_hand.append(options.in_hand())
        self._note(name)
        assert self._permits.acquire(timeout=PATIENCE_SECONDS)
        try:
            samples = np.zeros(max(round(self._seconds[name[0]] * SPEAKER_RATE), 1), np.float32)
            yield Speech(Audio(samples, SPEAKER_RATE), input_tokens=1)
        except GeneratorExit:
            self._note(f"{name} was left")
            raise

    def _note(self, what: str) -> None:
        self.order.append(what)
        self._loop.call_soon_threadsafe(self._changed.set)

    async def call(self, name: str, pieces: int = 2) -> None:
        """Have another call wait for its turn, or have it if nobody else has."""
        running = self.model.admission.running
        text = " ".join(f"{name}{number} is said." for number in range(pieces))
        self._heard[name] = asyncio.create_task(self._hear(text))
        await eventually(lambda: self.model.admission.running != running)

    async def _hear(self, text: str) -> None:
        async for sound in self.client.synthesize(text, encoding=Encoding.PCM_S16LE, target_size=10):
            self.heard_seconds[text[0]] += len(sound) / 2 / SPEAKER_RATE
            self._changed.set()

    async def begins(self, piece: str) -> None:
        await self.until(lambda: piece in self.order)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not happened():
                self._changed.clear()
                await self._changed.wait()

    async def let_go(self, piece: str, until: str) -> None:
        """Let the piece that is being made be ready; then this one begins."""
        assert self.order[-1] == piece
        self._permits.release()
        await self.begins(until)

    async def leave(self, name: str) -> None:
        """Have the caller go, and the server know."""
        self._heard.pop(name).cancel()

        async def known() -> bool:
            return any(one.status for one in await self.client.list_activities())

        await eventually(known)

    async def finish(self) -> list[str]:
        """Let all go, and wait for the calls; the pieces in the order in which they were begun."""
        self._permits.release(100)
        await asyncio.wait_for(asyncio.gather(*self._heard.values()), PATIENCE_SECONDS)
        return self.order


Open = Callable[..., Awaitable[Studio]]


@pytest.fixture
def open_studio(start: Start, monkeypatch: pytest.MonkeyPatch) -> Open:
    async def open_one(**seconds: float) -> Studio:
        server, client = await start(concurrency=8, read_ahead=1000)
        studio = Studio(server, client, **seconds)
        await studio.model.load()
        monkeypatch.setattr(ToneSpeaker, "synthesize", lambda _, *asked: studio.synthesize(*asked))
        return studio

    return open_one


async def test_the_first_piece_of_a_new_call_comes_before_what_nobody_needs_yet(open_studio: Open) -> None:
    studio = await open_studio(A=30.0, B=40.0, C=1.0)
    await studio.call("A", pieces=3)
    await studio.begins("A0")
    await studio.call("B")
    await studio.let_go("A0", until="B0")
    await studio.let_go("B0", until="A1")  # who runs dry first, and nobody else wants the thread
    await studio.call("C")
    await studio.let_go("A1", until="C0")
    assert await studio.finish() == ["A0", "B0", "A1", "C0", "C1", "B1", "A2"]


async def test_a_call_about_to_run_dry_comes_before_a_new_one(open_studio: Open) -> None:
    studio = await open_studio(A=0.0, B=30.0, C=30.0, D=30.0)
    await studio.call("A", pieces=3)
    await studio.begins("A0")
    await studio.call("B", pieces=1)
    await studio.let_go("A0", until="B0")
    for name in "CD":
        await studio.call(name, pieces=1)
    await studio.let_go("B0", until="A1")
    assert await studio.finish() == ["A0", "B0", "A1", "C0", "D0", "A2"]


async def test_all_sound_of_a_piece_is_handed_over_before_another_call_has_its_turn(
    open_studio: Open,
) -> None:
    """The sound is many messages, of 0.34 s each."""
    studio = await open_studio(A=30.0, B=1.0)
    await studio.call("A", pieces=1)
    await studio.begins("A0")
    await studio.call("B", pieces=1)
    await studio.let_go("A0", until="B0")
    await studio.until(lambda: studio.heard_seconds["A"] >= 29.9)
    assert await studio.finish() == ["A0", "B0"]


async def test_a_model_is_told_how_much_its_listener_has_in_hand(open_studio: Open) -> None:
    studio = await open_studio(A=30.0)
    await studio.call("A", pieces=3)
    assert await studio.finish() == ["A0", "A1", "A2"]
    first, second, third = studio.in_hand
    assert first == 0.0
    assert 0.0 < second <= 30.0 < third <= 60.0


async def test_whoever_leaves_frees_his_place_however_late_he_would_be_due(open_studio: Open) -> None:
    studio = await open_studio(A=30.0, B=1.0, C=1.0)
    await studio.call("A")
    await studio.begins("A0")
    await studio.call("B", pieces=1)
    await studio.let_go("A0", until="B0")
    await studio.call("C", pieces=1)
    await studio.leave("A")
    assert await studio.finish() == ["A0", "B0", "A0 was left", "C0"]
    assert studio.model.admission.running == 0


async def test_live_speech_that_is_interrupted_goes_on_as_a_new_call_would(open_studio: Open) -> None:
    studio = await open_studio(A=30.0, B=1.0, C=1.0, D=1.0)
    async with studio.client.live_speech(encoding=Encoding.PCM_S16LE) as speech:
        await speech.write("A0 is said.")
        await speech.flush()
        await studio.begins("A0")
        for name in "BC":
            await studio.call(name, pieces=1)
        await studio.let_go("A0", until="B0")
        await speech.cancel()
        await studio.client.list_voices()  # what was sent before a call on the same connection has arrived
        await studio.let_go("B0", until="C0")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not isinstance(await anext(speech), SpeechCancelled):
                pass
        await speech.write("A2 is said.")
        await speech.end()
        await studio.client.list_voices()
        await studio.call("D", pieces=1)
        assert await studio.finish() == ["A0", "B0", "A0 was left", "C0", "A2", "D0"]
