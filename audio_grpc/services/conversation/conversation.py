"""A conversation: three streams at once, and who interrupts whom.

What the caller sends goes to the listener; what that understands begins a turn, whose task asks for a reply;
the speaker has its tokens spoken, and all that comes of it goes into one queue. Hearing and speaking are the
same as behind the other services, and do not know of each other.

A turn that is broken off closes its request to the chat endpoint and cancels its speech. What was heard of it
is settled when all that was sent before has left the queue, and only then is the model asked again.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from audio_grpc.chat import Done, Token
from audio_grpc.convert import to_seconds
from audio_grpc.errors import InvalidRequest, SpeechError
from audio_grpc.services.conversation.history import DialogueHistory
from audio_grpc.services.conversation.listening import TurnListener, message
from audio_grpc.services.conversation.options import ConversationJob
from audio_grpc.services.conversation.replies import ReplyGenerator, failure
from audio_grpc.services.conversation.send_queue import BrokenOff, SendQueue
from audio_grpc.services.conversation.speaking import Speaker
from audio_grpc.services.conversation.turn import Turn
from audio_grpc.services.live_hearing import LiveHearing
from audio_grpc.services.live_requests import next_request
from audio_grpc.services.live_speech import LiveSynthesis
from audio_grpc.services.requests import Limits, require_length, require_size, require_text
from audio_grpc.services.tasks import end
from audio_grpc.types import Hypothesis, UtteranceTranscript
from audio_grpc.v1 import conversation_pb2 as pb

Requests = AsyncIterator[pb.ConverseRequest]
Transcribe = Callable[[bytes, int, Callable[[Hypothesis], None]], Awaitable[UtteranceTranscript]]


class Conversation:
    """One stream, as the event loop sees it. ``transcribe`` hears a recording, for the turn of a number."""

    def __init__(
        self,
        job: ConversationJob,
        replies: ReplyGenerator,
        hearing: LiveHearing | None,
        speech: LiveSynthesis,
        transcribe: Transcribe,
        limits: Limits,
        *,
        droppable: bool,
    ) -> None:
        self._job = job
        self._replies = replies
        self._transcribe = transcribe
        self._limits = limits
        self._history = DialogueHistory(job.system_prompt, job.llm.history_tokens, job.history)
        self._queue = SendQueue(droppable=droppable, settle=self._settle)
        self.speaker = Speaker(speech, self._queue, self._spoken)
        self._listener: TurnListener | None = None
        if hearing is not None:
            is_manual = job.hearing.endpointing.manual
            self._listener = TurnListener(hearing, self._queue, self, is_manual=is_manual)
        self._turns = 0
        self._turn: Turn | None = None
        """The one that can be interrupted."""
        self._last: Turn | None = None
        self._played = 0.0
        self._active_at = time.monotonic()
        self._crash: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def events(self, requests: Requests) -> AsyncGenerator[pb.ConverseResponse, None]:
        """Converse until the caller has sent all; whatever is wrong with a request ends the stream."""
        working = asyncio.create_task(self._work(requests))
        working.add_done_callback(lambda _: self._queue.end())
        try:
            while (response := await self._queue.next()) is not None:
                yield response
            working.result()
        finally:
            await end(working)

    async def _work(self, requests: Requests) -> None:
        halves = [self._attend(requests), self.speaker.run()]
        tasks = [asyncio.create_task(half) for half in halves]
        try:
            done, _ = await asyncio.wait({*tasks, self._crash}, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0] in done and not tasks[0].exception():
                done, _ = await asyncio.wait({tasks[1], self._crash}, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            self._crash.cancel()
            thinking = self._last.thinking if self._last else None
            await end(*tasks, *([thinking] if thinking else []))

    async def _attend(self, requests: Requests) -> None:
        """Read and hear all, and wait for the last reply."""
        if self._listener is None:
            await self._read(requests)
        else:
            tasks = [asyncio.create_task(half) for half in (self._read(requests), self._listener.run())]
            try:
                for task in asyncio.as_completed(tasks):
                    await task
            finally:
                await end(*tasks)
        if self._last is not None:
            await self._last.is_over.wait()
        await self.speaker.end()

    # What the caller sends.

    async def _read(self, requests: Requests) -> None:
        idle = self._limits.idle_seconds
        while (request := await next_request(requests, idle, self._quiet_seconds)) is not None:
            await self._take(request)
            self._active_at = time.monotonic()
        if self._listener is not None:
            await self._listener.end()

    def _quiet_seconds(self) -> float:
        """Returns the seconds in which no request came and no reply was made."""
        is_busy = self._last is not None and not self._last.is_over.is_set()
        return 0.0 if is_busy else time.monotonic() - self._active_at

    async def _take(self, request: pb.ConverseRequest) -> None:
        match request.WhichOneof("part"):
            case "audio":
                await self._require_listener().write(request.audio)
            case "end_utterance":
                await self._require_listener().end_utterance()
            case "text":
                require_text(request.text)
                require_length(len(request.text), self._limits)
                await self.hear(request.text, time.perf_counter())
            case "recording":
                require_size(len(request.recording), self._limits)
                await self._begin(time.perf_counter(), recording=request.recording)
            case "cancel":
                await self.interrupt()
            case "played":
                self._note_played(to_seconds(request.played))
            case "options":
                raise InvalidRequest("the options come once, first; open another stream", field="options")
            case _:
                raise InvalidRequest("the message is empty; send audio, text, a recording or a command")

    def _require_listener(self) -> TurnListener:
        if self._listener is None:
            raise InvalidRequest(
                "nothing is heard in this conversation; set options.hearing, with the rate of the samples",
                field="audio",
            )
        return self._listener

    def _note_played(self, seconds: float) -> None:
        if not self._job.reports_playback:
            raise InvalidRequest(
                "played is for conversations with reports_playback; set that in the options", field="played"
            )
        self._played = seconds
        if self._turn is not None and self._turn.is_spoken and self._turn.was_played(seconds):
            self._turn = None

    # Turns.

    async def hear(self, text: str, since: float) -> None:
        """Begins a turn, and ends the one before it."""
        await self._begin(since, text=text)

    async def interrupt(self) -> None:
        """Breaks off the reply, if there is one."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        turn.is_broken_off = True
        if turn.thinking is not None:
            await end(turn.thinking)
        if turn.is_spoken:
            turn.is_over.clear()
            self._queue.put(BrokenOff(turn, math.inf))
        elif not turn.failed:  # then its speech is cancelled already
            self.speaker.cancel()

    async def _begin(self, since: float, *, text: str = "", recording: bytes = b"") -> None:
        await self.interrupt()
        before, turn = self._last, Turn(self._turns, self.speaker.written, since)
        if text:
            turn.exchange = self._history.begin(text)
        self._turns += 1
        self._turn = self._last = turn
        self.speaker.begin(turn)
        turn.thinking = asyncio.create_task(self._answer(turn, before, recording))

    async def _answer(self, turn: Turn, before: Turn | None, recording: bytes) -> None:
        """The task of a turn: what fails is the turn's, not the conversation's."""
        try:
            if before is not None:
                await before.is_over.wait()  # until then nobody knows what was heard of it
            if recording:
                await self._understand(turn, recording)
            if turn.exchange is not None:
                turn.note("first_transcription")
                await self._reply(turn)
            self.speaker.complete()
        except SpeechError as error:
            turn.failed = failure(error)
            turn.is_broken_off = True
            self.speaker.cancel()
        except Exception as error:
            if not self._crash.done():
                self._crash.set_exception(error)

    async def _understand(self, turn: Turn, recording: bytes) -> None:
        transcript = await self._transcribe(
            recording, turn.number, lambda hypothesis: self._queue.put(message(hypothesis))
        )
        self._queue.put(message(transcript))
        if said := transcript.text.strip():
            turn.exchange = self._history.begin(said)

    async def _reply(self, turn: Turn) -> None:
        async with aclosing(self._replies.reply(self._history.messages())) as events:
            async for event in events:
                if isinstance(event, Token):
                    self._queue.put(_token(turn, event.text))
                    turn.note("first_token")
                    turn.reply += event.text
                    if self._job.speaks_early:
                        self.speaker.say(event.text)
                    continue
                if not self._job.speaks_early:
                    self.speaker.say(turn.reply)
                self._queue.put(_done(turn, event))

    def _spoken(self, turn: Turn) -> None:
        """Ends a turn of which all the reply was made sound."""
        turn.is_spoken = True
        if turn.exchange is not None:
            turn.exchange.assistant = turn.reply.strip()
        turn.note("total")
        finished = pb.TurnFinished(turn=turn.number, timing=turn.timing)
        self._queue.put(pb.ConverseResponse(turn_finished=finished))
        self._finish(turn)
        if turn is self._turn and (not self._job.reports_playback or turn.was_played(self._played)):
            self._turn = None

    def _settle(self, broken_off: BrokenOff) -> pb.ConverseResponse:
        """Remember what was heard of a turn; the message that it ended with."""
        turn = broken_off.turn
        played = self._played if self._job.reports_playback else None
        heard = turn.heard(broken_off.spoken_end, played)
        if turn.exchange is not None:
            turn.exchange.assistant = heard
        if turn is self._turn:
            self._turn = None
        self._finish(turn)
        if turn.failed:
            return pb.ConverseResponse(turn_failed=pb.TurnFailed(turn=turn.number, **turn.failed))
        return pb.ConverseResponse(interrupted=pb.ReplyInterrupted(turn=turn.number, heard_text=heard))

    def _finish(self, turn: Turn) -> None:
        self._active_at = time.monotonic()
        turn.is_over.set()


def _done(turn: Turn, event: Done) -> pb.ConverseResponse:
    usage = pb.ChatUsage(prompt_tokens=event.prompt_tokens, completion_tokens=event.completion_tokens)
    done = pb.ReplyDone(
        turn=turn.number,
        text=turn.reply,
        finish_reason=event.finish_reason,
        usage=usage if usage.ByteSize() else None,
    )
    return pb.ConverseResponse(reply_done=done)


def _token(turn: Turn, text: str) -> pb.ConverseResponse:
    return pb.ConverseResponse(token=pb.ReplyToken(turn=turn.number, text=text))
