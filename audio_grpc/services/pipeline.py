"""The work on a model's thread for one call: generators chained from the request to the reply.

``split -> synthesize -> encode`` for speech, ``decode -> transcribe`` for transcripts. Closing the last
generator closes them all, wherever they are.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from audio_grpc.audio import MAX_PIECE_BYTES, Block, Encoder, choose_rate, decode_blocks
from audio_grpc.backends.base import Synthesizer, SynthesizerInfo, Transcriber
from audio_grpc.errors import OptionUnsupported, TextUnspeakable, VoiceNotFound, quoted
from audio_grpc.languages import NAMES, known_language
from audio_grpc.runtime.blame import working_on
from audio_grpc.runtime.urgency import PlaybackBuffer, given
from audio_grpc.services.continuation import Continuation
from audio_grpc.services.requests import SpeechJob, TranscriptionJob, ignored_fields, require_text
from audio_grpc.telemetry.call import Call
from audio_grpc.text import Pieces, clean, has_words, split
from audio_grpc.types import Audio, Encoding, Language, Segment, Voice, VoiceSample

PAUSE_SECONDS = 0.3
"""The seconds of silence for a piece without a letter or digit that the model has no sound for (emoji)."""
ANY_LANGUAGE = "und"


@dataclass(frozen=True)
class SpeechProperties:
    """The first event of a speech stream."""

    voice: str
    encoding: Encoding
    sample_rate_hertz: int
    ignored_fields: list[str]


@dataclass
class SpeechFinished:
    """The last event of a speech stream: what was spoken."""

    input_tokens: int = 0


@dataclass(frozen=True)
class TranscriptStarted:
    """The first event of a transcript stream."""

    language: Language
    audio_seconds: float | None
    """The length; None if it is not known yet, since the recording is long and its file says nothing."""
    ignored_fields: list[str]


@dataclass(frozen=True)
class TranscriptFinished:
    """The last event of a transcript stream."""

    language: Language
    audio_seconds: float
    output_tokens: int


SpeechEvent = SpeechProperties | bytes | SpeechFinished
TranscriptEvent = TranscriptStarted | Segment | TranscriptFinished


def speak(
    backend: Synthesizer,
    job: SpeechJob,
    configured_aliases: Mapping[str, str] | None,
    sample: VoiceSample | None,
    call: Call,
    listener: PlaybackBuffer,
) -> Generator[SpeechEvent, None, None]:
    """The events of a speech stream; everything that can be refused is, before the first.

    ``configured_aliases`` are the ``ModelSpec.voice_aliases``. ``sample`` is that of the custom voice of
    the name, if there is one.
    """
    call.begin()
    info = backend.info
    job, started = settled(info, job, configured_aliases, sample)
    call.voice = started.voice
    if (text := clean(job.text)) != job.text:
        job = replace(job, text=text)
    require_text(job.text)  # what was all control characters is nothing now
    require_pronounceable(backend, job.text)
    pieces = split(
        job.text,
        strategy=job.strategy,
        target_size=job.target_size,
        language_code=job.options.language_code or "en",
        max_size=info.max_piece_size,
    )
    total = SpeechFinished()
    encoder = Encoder(job.encoding, started.sample_rate_hertz)
    with closing(encoder), closing(_utter(backend, pieces, job, total, call, listener)) as sound:
        for audio in sound:
            yield from _sent(encoder.write(audio), started, call)
            if call.first_result is not None:  # else the encoder holds all of it back
                yield given(audio.seconds)
        yield from _sent(encoder.finish(), started, call)
    yield total


def _sent(
    encoded: Iterable[bytes], started: SpeechProperties, call: Call
) -> Generator[SpeechProperties | bytes, None, None]:
    for data in encoded:
        if call.first_result is None:
            call.result()
            yield started
        yield data


def settled(
    info: SynthesizerInfo,
    job: SpeechJob,
    configured_aliases: Mapping[str, str] | None,
    sample: VoiceSample | None,
) -> tuple[SpeechJob, SpeechProperties]:
    """The job with the voice's own name, and what the caller is told of it; arguments as for :func:`speak`.

    VoiceNotFound, OptionUnsupported, and InvalidRequest for a sample rate that the encoding does not have.
    """
    voice = find_voice(info, job.options.voice, info.voice_aliases(configured_aliases), sample)
    rate = choose_rate(job.encoding, job.sample_rate_hertz, info.sample_rate_hertz)
    ignored = ignored_fields(job.options, info.options | {"language_code"})
    borrowed = sample if sample and sample.voice_id == voice.name else None
    language = _language(voice, job.options.language_code)
    options = replace(job.options, voice=voice.name, sample=borrowed, language_code=language)
    return replace(job, options=options), SpeechProperties(voice.name, job.encoding, rate, ignored)


def require_pronounceable(backend: Synthesizer, text: str) -> None:
    """Raises TextUnspeakable for letters that the model has no sound for."""
    if letters := backend.unpronounceable(text):
        raise TextUnspeakable(
            f"the model cannot pronounce {quoted(letters)}; leave that out, or choose a model that speaks "
            "the language",
            field="text",
        )


def _utter(
    backend: Synthesizer,
    pieces: Iterable[str],
    job: SpeechJob,
    total: SpeechFinished,
    call: Call,
    listener: PlaybackBuffer,
) -> Generator[Audio, None, None]:
    """The sound of every piece of the text; what it amounts to is added to ``total`` and ``call``."""
    spoken = 0
    pieces = Pieces(pieces)
    for piece in pieces:
        call.piece += 1
        for audio in say(backend, piece, job, total, listener):
            call.audio_seconds_out += audio.seconds
            yield audio
            if not call.piece_count:
                # Only now that there is sound to send, as looking for them all takes long for a long text.
                call.piece_count = 1 + pieces.count()
        spoken += len(piece)
        call.progress = spoken / len(job.text)
    call.is_made = True


def say(
    backend: Synthesizer,
    piece: str,
    job: SpeechJob,
    total: SpeechFinished,
    listener: PlaybackBuffer | None = None,
) -> Generator[Audio, None, None]:
    """The sound of one piece, or a pause where there is nothing to say. Raises TextUnspeakable."""
    working_on(partial(hash, piece))
    sounded = False
    options = replace(job.options, in_hand=listener.in_hand) if listener else job.options
    for speech in backend.synthesize(piece, options):
        sounded = True
        total.input_tokens += speech.input_tokens
        yield speech.audio
    if sounded:
        return
    if has_words(piece):
        raise TextUnspeakable(
            f"the model has no sound for {quoted(piece.strip())}; leave that out", field="text"
        )
    rate = backend.info.sample_rate_hertz
    yield Audio(np.zeros(round(PAUSE_SECONDS * rate), np.float32), rate)


def joined(events: list[SpeechEvent]) -> Iterator[SpeechEvent]:
    """Joins neighbouring chunks of audio, up to the size of the largest chunk; other events stay.

    What waits for a reader together can travel together: a message costs more than its bytes.
    """
    waiting: list[bytes] = []
    size = 0
    for event in events:
        if waiting and (not isinstance(event, bytes) or size + len(event) > MAX_PIECE_BYTES):
            yield b"".join(waiting)
            waiting, size = [], 0
        if isinstance(event, bytes):
            waiting.append(event)
            size += len(event)
        else:
            yield event
    if waiting:
        yield b"".join(waiting)


def find_voice(
    info: SynthesizerInfo, name: str, aliases: Mapping[str, str], sample: VoiceSample | None
) -> Voice:
    """Finds a voice by name or alias; empty for the first. Else the custom one that the ``sample`` is of.

    Raises VoiceNotFound, or OptionUnsupported for a custom voice and a model that cannot speak with one.
    """
    if not name and info.voices:
        return info.voices[0]
    if not name:
        raise VoiceNotFound(
            "the model has no voice of its own; name a custom one, made with CreateCustomVoice", field="voice"
        )
    for voice in info.voices:
        if voice.name == aliases.get(name, name):
            return voice
    known = ", ".join([*(voice.name for voice in info.voices), *sorted(aliases)]) or "none of its own"
    if sample is not None and not info.cloning:
        raise OptionUnsupported(
            f"the model cannot speak with a custom voice; choose one of its own ({known}), or a model for "
            f"which ListVoices lists {quoted(name)}",
            field="voice",
        )
    if sample is not None:
        return Voice(sample.voice_id, info.language_codes)
    if info.any_voice:
        return Voice(name, info.language_codes)
    raise VoiceNotFound(f"the model has no voice {quoted(name)}; it has: {known}", field="voice")


def _language(voice: Voice, asked: str | None) -> str | None:
    """Returns the requested language, in any region (en-US voices also read en-GB), or the voice's own."""
    if asked is None:
        return None
    spoken = [code.partition("-")[0] for code in voice.language_codes]
    if asked.partition("-")[0].lower() in spoken:
        return asked
    if ANY_LANGUAGE in spoken:
        return known_language(asked, NAMES) or asked
    if found := known_language(asked, spoken):
        return found
    raise OptionUnsupported(
        f"the voice {quoted(voice.name)} does not speak {quoted(asked)}; it speaks "
        f"{', '.join(voice.language_codes)}. Choose another voice or model, or leave it empty",
        field="language_code",
    )


def recognise(
    backend: Transcriber, job: TranscriptionJob, call: Call
) -> Generator[TranscriptEvent, None, None]:
    """The events of a transcript stream. A long recording is decoded and recognised block by block."""
    call.begin()
    working_on(partial(hash, job.audio))
    info = backend.info
    so_far = Continuation(job.options, info.options)
    tokens = 0
    started = False
    blocks = decode_blocks(
        job.audio,
        sample_rate_hertz=info.sample_rate_hertz,
        max_seconds=job.max_seconds,
        raw=job.raw_format,
    )
    with closing(blocks):
        for block in blocks:
            call.audio_seconds_in = block.end
            options = so_far.options(block)
            if options is None:
                continue
            transcript = backend.transcribe(block.audio, options)
            so_far.begin(transcript.language)
            counted = 0
            with closing(transcript.segments) as segments:
                if not started:
                    ignored = ignored_fields(job.options, info.options)
                    yield TranscriptStarted(transcript.language, block.recording_seconds, ignored)
                    started = True
                for segment in segments:
                    call.result()
                    counted += len(segment.tokens)
                    call.show(segment.text)
                    call.progress = _heard(block, segment)
                    yield so_far.hear(segment, block)
            stated = transcript.usage.output_tokens
            tokens += counted if stated is None else stated
    assert so_far.language is not None, "the last block is listened to if none was before"
    yield TranscriptFinished(so_far.language, call.audio_seconds_in, tokens)


def _heard(block: Block, segment: Segment) -> float | None:
    """Returns the part of the recording recognised up to that segment's end, 0 to 1; None: not known."""
    if not block.recording_seconds:
        return None
    return min((block.start + segment.end) / block.recording_seconds, 1.0)
