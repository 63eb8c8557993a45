"""Writes requests that have ended into the history, behind the backs of the calls.

A call that ends leaves its record in a queue, which a task empties. While the database does not answer, they
wait there. A queue that is full, a disk or a database that fails costs records, each with a line in the log
and a count, and never a call.
"""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter

from audio_grpc.convert import from_moment, from_seconds
from audio_grpc.errors import StorageFailed
from audio_grpc.storage import Database, PastRequests, Selection, new_id
from audio_grpc.telemetry.call import Call
from audio_grpc.telemetry.history.messages import METHODS
from audio_grpc.telemetry.history.recording import STORAGE_FAILED, TOO_LARGE, AudioKept, CallRecording
from audio_grpc.telemetry.timing import timing
from audio_grpc.v1.history_pb2 import PastAudio, PastRequest

LONGEST_QUEUE = 1000
LARGEST_QUEUE_BYTES = 256 << 20
"""The most bytes of sound and texts that wait to be written."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
"""The pauses before a database that did not answer is asked again, in seconds."""
FLUSH_SECONDS = 5.0
"""The seconds that the end of the server waits for the queue to be written."""
TIDY_SECONDS = 3600.0
REFUSALS = ("INVALID_ARGUMENT", "NOT_FOUND")
REFUSED_CHARACTERS = 1000
"""The most characters kept of the text of a request that was refused."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HistoryConfig:
    """Rules on which requests, and which parts of them, a server keeps."""

    is_on: bool
    audio: AudioKept
    keeps_texts: bool
    max_audio_bytes: int
    retention_seconds: float
    """The seconds for which requests are kept; 0: until they are deleted."""
    asks_for_keys: bool
    """True if calls need keys; a call without a key then has no owner, and is not kept."""


class RequestHistory:
    """Records calls while they run, and has them written when they have ended."""

    def __init__(
        self, rules: HistoryConfig, database: Database, requests: PastRequests, registry: CollectorRegistry
    ) -> None:
        self.rules = rules
        self._database = database
        self._requests = requests
        self._recordings: dict[int, CallRecording] = {}
        self._queue: asyncio.Queue[tuple[PastRequest, CallRecording, int]] = asyncio.Queue(LONGEST_QUEUE)
        self._queued_bytes = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._lost = Counter(
            "audio_grpc_history_lost_total",
            "Requests (record) and sounds (audio) that should have been kept in the history and were not.",
            ("what", "reason"),
            registry=registry,
        )

    def begin(self, call: Call) -> CallRecording:
        """The record of a call, for whoever sees its messages."""
        return self._recordings.setdefault(id(call), self._recording())

    def end(self, call: Call) -> None:
        """Queues a call that has ended to be written."""
        if not self.rules.is_on or call.method not in METHODS:
            return
        recording = self._recordings.pop(id(call), None) or self._recording()
        if self.rules.asks_for_keys and not call.key_id:
            return
        size = recording.size_bytes
        if self._queue.full() or self._queued_bytes + size > LARGEST_QUEUE_BYTES:
            self._lose("record", "queue_full", call.request_id)
            return
        self._queued_bytes += size
        self._queue.put_nowait((_ended(call, recording), recording, size))

    def start(self) -> None:
        """Starts to write requests, and to delete old ones."""
        work = [self._write_all(), self._tidy()] if self.rules.is_on else [self._tidy()]
        self._tasks = [asyncio.create_task(each, name="history") for each in work]

    async def stop(self) -> None:
        """Write what is waiting, as far as that does not take long."""
        if self._tasks and self.rules.is_on:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._queue.join(), FLUSH_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._queue.empty():
            past, *_ = self._queue.get_nowait()
            self._lose("record", "stopping", past.request_id)

    def _recording(self) -> CallRecording:
        rules = self.rules
        return CallRecording(rules.audio, rules.max_audio_bytes, keeps_texts=rules.keeps_texts)

    def _lose(self, what: str, reason: str, request_id: str) -> None:
        self._lost.labels(what, reason).inc()
        fields = {"request_id": request_id}
        log.warning("the history lost the %s of a request: %s", what, reason, extra={"fields": fields})

    async def _write_all(self) -> None:
        while True:
            past, recording, size = await self._queue.get()
            try:
                await self._write_once_possible(past, recording)
            except asyncio.CancelledError:
                self._lose("record", "stopping", past.request_id)
                raise
            except StorageFailed:  # and logged, with the cause
                self._lose("record", "storage_failed", past.request_id)
            except Exception:
                log.exception("a request could not be written")
                self._lose("record", "internal", past.request_id)
            finally:
                self._queued_bytes -= size
                self._queue.task_done()

    async def _write_once_possible(self, past: PastRequest, recording: CallRecording) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._write(past, recording)
            except StorageFailed as error:  # and logged
                if not error.passing:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _write(self, past: PastRequest, recording: CallRecording) -> None:
        if past.audio_problem == TOO_LARGE:
            self._lose("audio", "too_large", past.request_id)
        data, audio_format = await asyncio.to_thread(recording.sound)
        if data:
            try:
                await self._requests.add_audio(past.id, data)
                past.audio.CopyFrom(PastAudio(format=audio_format, size_bytes=len(data)))
            except StorageFailed:
                self._lose("audio", "storage_failed", past.request_id)
                past.audio_problem = STORAGE_FAILED
        await self._requests.add(past)

    async def _tidy(self) -> None:
        while kept := self.rules.retention_seconds:
            with suppress(StorageFailed):  # and logged
                if self._database.is_there:
                    removed = await self._requests.remove(Selection(before=time.time() - kept))
                    if removed:
                        log.info("%d past requests are old and forgotten", removed)
            await asyncio.sleep(TIDY_SECONDS)


def _ended(call: Call, recording: CallRecording) -> PastRequest:
    """Completes the record of a call that has ended; its sound is added once that is written."""
    text = recording.text or call.preview
    refused = call.began is None and call.code in REFUSALS
    record = recording.record
    record.MergeFrom(
        PastRequest(
            id=new_id(),
            request_id=call.request_id,
            key=call.key,
            key_id=call.key_id,
            method=call.method,
            model=call.model,
            voice=call.voice,
            status=call.code,
            reason=call.reason,
            field=call.wrong_field,
            start_time=from_moment(time.time() - call.seconds),
            duration=from_seconds(call.seconds),
            timing=None if call.began is None else timing(call),
            characters=call.characters,
            audio_in=from_seconds(call.audio_seconds_in),
            audio_out=from_seconds(call.audio_seconds_out),
            text=text[:REFUSED_CHARACTERS] if refused else text,
            is_whole_text=recording.is_whole_text and not (refused and len(text) > REFUSED_CHARACTERS),
        )
    )
    return record
