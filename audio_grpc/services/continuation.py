"""The language and text that a block of a long recording needs from the blocks before it."""

from dataclasses import replace

from audio_grpc.audio import Block
from audio_grpc.types import DecodingParameters, Language, Segment, TimeRange, TranscriptionOptions

PROMPT_CHARACTERS, PREVIOUS_TOKENS = 2000, 500
"""Limits above any model's context."""
PROMPT_RESET_ON_TEMPERATURE = 0.5
"""Whisper's own; text that was drawn at a higher temperature is more likely to be wrong."""
FRAMES_A_SECOND = 100
LONG_SECONDS = 30.0
"""The length, in seconds, from which on a recording has several windows for simultaneous recognition."""


class Continuation:
    """Carries language and text from block to block, for a model that honours these options.

    Text goes as the model's own tokens where it takes them: without times, what follows has none either.
    """

    def __init__(self, options: TranscriptionOptions, honoured: frozenset[str]) -> None:
        self.language: Language | None = None
        """The language of the recording; None before any was heard."""
        self._asked = options
        self._honoured = honoured
        self._decoding = options.decoding_parameters or DecodingParameters()
        self._prompt = options.prompt or ""
        self._tokens: tuple[int, ...] = ()
        self._heard = False

    def options(self, block: Block) -> TranscriptionOptions | None:
        """Returns the options for the block; None if nothing in it was asked for."""
        if self._asked.batched is None:
            is_long = not block.is_whole or block.audio.seconds > LONG_SECONDS
            self._asked = replace(self._asked, batched=is_long and self._may_be_batched())
        if block.is_whole:
            return self._asked
        clips = _within(self._asked.clip_timestamps, block)
        if self._asked.clip_timestamps and not clips:
            if self.language is not None or not block.is_last:
                return None
            # Somebody has to say what language it is.
            clips = _shifted_clips(self._asked.clip_timestamps, block.start)
        options = replace(self._asked, clip_timestamps=clips)
        if block.start and self._heard and self.language and "language_code" in self._honoured:
            options = replace(options, language_code=self.language.code)
        if block.start and self._carries_text:
            prompt = self._prompt[-PROMPT_CHARACTERS:] or None
            options = replace(options, prompt=prompt, previous_tokens=self._tokens)
        return options

    def begin(self, language: Language) -> None:
        """The language of the next block; it is kept once something was heard in it."""
        if not self._heard:
            self.language = language

    def hear(self, segment: Segment, block: Block) -> Segment:
        """Keep the segment in mind, and put it in its place in the recording."""
        self._heard = True
        if self._forgets(segment):
            self._prompt, self._tokens = "", ()
        elif "previous_tokens" in self._honoured:
            self._tokens = (self._tokens + segment.tokens)[-PREVIOUS_TOKENS:]
        else:
            self._prompt += segment.text
        return _placed(segment, block)

    def _forgets(self, segment: Segment) -> bool:
        """Tells if this segment and the text before it are no context for the segments that follow."""
        asked = self._decoding.prompt_reset_on_temperature
        highest = PROMPT_RESET_ON_TEMPERATURE if asked is None else asked
        return self._decoding.condition_on_previous_text is False or (segment.temperature or 0.0) > highest

    def _may_be_batched(self) -> bool:
        """Returns if nothing is asked for that only windows one after the other have."""
        asked, voice = self._decoding, self._asked.voice_activity_parameters
        return (
            "batched" in self._honoured
            and not self._asked.clip_timestamps
            and self._asked.voice_activity_detection is not False
            and (voice is None or voice.max_speech_seconds is None)
            and not asked.condition_on_previous_text
            and asked.hallucination_silence_threshold is None
        )

    @property
    def _carries_text(self) -> bool:
        """Windows of a batch all have the caller's prompt."""
        return "prompt" in self._honoured and not self._asked.batched


def _within(clips: tuple[TimeRange, ...], block: Block) -> tuple[TimeRange, ...]:
    """The parts of the clips that are in the block, in seconds from its start."""
    parts = []
    for clip in clips:
        start = max(clip.start, block.start)
        end = block.end if clip.end is None else min(clip.end, block.end)
        if start < end:
            parts.append(TimeRange(start, end))
    return _shifted_clips(tuple(parts), block.start)


def _shifted_clips(clips: tuple[TimeRange, ...], start: float) -> tuple[TimeRange, ...]:
    return tuple(
        TimeRange(clip.start - start, None if clip.end is None else clip.end - start) for clip in clips
    )


def _placed(segment: Segment, block: Block) -> Segment:
    """Returns the segment with times of the recording; whatever the model says, they are within its block."""

    def on(time: float) -> float:
        return min(max(time + block.start, block.start), block.end)

    return replace(
        segment,
        start=on(segment.start),
        end=on(segment.end),
        words=tuple(replace(word, start=on(word.start), end=on(word.end)) for word in segment.words),
        seek=segment.seek + round(block.start * FRAMES_A_SECOND),
    )
