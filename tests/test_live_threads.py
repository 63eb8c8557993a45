"""``Client.listen``: live transcripts for threads."""

import asyncio
from collections.abc import Callable
from itertools import count
from threading import Thread

import pytest

from audio_grpc.client import (
    Client,
    Encoding,
    Hypothesis,
    LiveTranscript,
    ServiceError,
    UtteranceDiscarded,
    UtteranceTranscript,
)
from tests.conftest import PATIENCE_SECONDS, Start
from tests.test_live_hearing import MANUAL, PIECE, RATE, until_free


def spoken(client: Client, text: str) -> bytes:
    with client.synthesize(text, encoding=Encoding.PCM_S16LE) as speech:
        return b"".join(speech)


def write(transcript: LiveTranscript, samples: bytes) -> None:
    for start in range(0, len(samples), PIECE):
        transcript.write(samples[start : start + PIECE])


async def with_client(start: Start, use: Callable[[Client], None], **changes: object) -> None:
    """Runs ``use`` in a thread, as the server has the test's own event loop."""
    server, _ = await start(**changes)

    def used() -> None:
        with Client(server.address) as client:
            use(client)

    await asyncio.wait_for(asyncio.to_thread(used), PATIENCE_SECONDS)
    await until_free(server)


async def test_one_thread_writes_and_another_reads(start: Start) -> None:
    def use(client: Client) -> None:
        with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
            assert transcript.start().model == "listener"
            write(transcript, spoken(client, "Not this."))
            transcript.discard_utterance()

            def talk() -> None:
                for text in ("One two three four.", "And five."):
                    write(transcript, spoken(client, text))
                    transcript.end_utterance()
                transcript.end()

            talking = Thread(target=talk)
            talking.start()
            events = list(transcript)
            talking.join()
        heard = [event.text for event in events if isinstance(event, UtteranceTranscript)]
        assert heard == ["One two three four.", "And five."]
        assert [event.utterance for event in events if isinstance(event, UtteranceDiscarded)] == [0]
        assert any(isinstance(event, Hypothesis) for event in events)
        assert transcript.finished.usage.output_tokens == len("".join(heard))

    await with_client(start, use)


async def test_a_file_that_is_sent_faster_than_it_is_heard_waits_with_its_writer(start: Start) -> None:
    def use(client: Client) -> None:
        samples = spoken(client, "".join(f"{number:04} " for number in range(40)))
        written = count()
        with client.listen(RATE, endpointing=MANUAL) as transcript:

            def talk() -> None:
                while next(written) < 1000:
                    transcript.write(samples)

            talking = Thread(target=talk)
            talking.start()
            transcript.start()
            next(event for event in transcript if isinstance(event, UtteranceTranscript))
            assert next(written) < 500, "the writer waits, and does not fill the memory"
        talking.join()  # leaving lets the writer go

    await with_client(start, use, listener={"options": {"delay_seconds": 0.05}})


async def test_a_stream_that_fails_says_why_to_its_reader_and_lets_its_writer_go(start: Start) -> None:
    def use(client: Client) -> None:
        with client.listen(RATE, endpointing=MANUAL) as transcript:
            told: list[ServiceError] = []

            def talk() -> None:
                try:
                    write(transcript, bytes(1000 * PIECE + 1))
                except ServiceError as error:
                    told.append(error)

            talking = Thread(target=talk)
            talking.start()
            with pytest.raises(ServiceError, match="whole samples"):
                list(transcript)
            talking.join()
            assert all("whole samples" in error.message for error in told)
        with client.listen(RATE, model="nobody") as refused:
            with pytest.raises(ServiceError) as failure:
                refused.start()
            assert failure.value.reason == "MODEL_NOT_FOUND"

    await with_client(start, use)


async def test_leaving_frees_the_place(start: Start) -> None:
    def use(client: Client) -> None:
        with client.listen(RATE, endpointing=MANUAL) as transcript:
            transcript.start()
            write(transcript, spoken(client, "Interrup"))

    await with_client(start, use)
