"""The one place where protocol buffer messages and the nouns of ``types.py`` turn into each other."""

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from audio_grpc.types import (
    CustomVoice,
    Encoding,
    EndCause,
    Hypothesis,
    Job,
    JobState,
    Language,
    Segment,
    SpeechCancelled,
    SpeechStarted,
    SpeechStopped,
    SpokenAudio,
    Strategy,
    Task,
    UtteranceDiscarded,
    UtteranceTranscript,
    Voice,
    Word,
)
from audio_grpc.v1 import audio_pb2, job_pb2, speech_to_text_pb2, text_to_speech_pb2, voice_pb2

K = TypeVar("K")
V = TypeVar("V")

TO_ENCODING = {
    audio_pb2.AudioEncoding.Value(f"AUDIO_ENCODING_{encoding.name}"): encoding for encoding in Encoding
}
TO_STRATEGY = {
    text_to_speech_pb2.SPLIT_STRATEGY_SENTENCE: Strategy.SENTENCE,
    text_to_speech_pb2.SPLIT_STRATEGY_PARAGRAPH: Strategy.PARAGRAPH,
    text_to_speech_pb2.SPLIT_STRATEGY_FIXED: Strategy.FIXED,
    text_to_speech_pb2.SPLIT_STRATEGY_WORD: Strategy.WORD,
}
TO_TASK = {
    speech_to_text_pb2.TRANSCRIPTION_TASK_TRANSCRIBE: Task.TRANSCRIBE,
    speech_to_text_pb2.TRANSCRIPTION_TASK_TRANSLATE: Task.TRANSLATE,
}

TO_END_CAUSE = {
    speech_to_text_pb2.UTTERANCE_END_CAUSE_SILENCE: EndCause.SILENCE,
    speech_to_text_pb2.UTTERANCE_END_CAUSE_CALLER: EndCause.CALLER,
    speech_to_text_pb2.UTTERANCE_END_CAUSE_MAX_UTTERANCE: EndCause.MAX_UTTERANCE,
    speech_to_text_pb2.UTTERANCE_END_CAUSE_END_OF_STREAM: EndCause.END_OF_STREAM,
}
TO_JOB_STATE = {
    job_pb2.SPEECH_JOB_STATE_QUEUED: JobState.QUEUED,
    job_pb2.SPEECH_JOB_STATE_RUNNING: JobState.RUNNING,
    job_pb2.SPEECH_JOB_STATE_PAUSED: JobState.PAUSED,
    job_pb2.SPEECH_JOB_STATE_COMPLETED: JobState.COMPLETED,
    job_pb2.SPEECH_JOB_STATE_FAILED: JobState.FAILED,
    job_pb2.SPEECH_JOB_STATE_CANCELLED: JobState.CANCELLED,
}
HeardEvent = SpeechStarted | SpeechStopped | UtteranceDiscarded | Hypothesis | UtteranceTranscript


def _inverted(mapping: dict[K, V]) -> dict[V, K]:
    return {value: key for key, value in mapping.items()}


FROM_ENCODING = _inverted(TO_ENCODING)
FROM_STRATEGY = _inverted(TO_STRATEGY)
FROM_TASK = _inverted(TO_TASK)
FROM_END_CAUSE = _inverted(TO_END_CAUSE)
FROM_JOB_STATE = _inverted(TO_JOB_STATE)


def from_seconds(seconds: float) -> Duration:
    """A length of time, to the microsecond."""
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration


def to_seconds(duration: Duration) -> float:
    """Returns a length of time in seconds."""
    return duration.seconds + duration.nanos / 1e9


def from_moment(seconds: float) -> Timestamp:
    """A moment in seconds since 1970, to the microsecond."""
    moment = Timestamp()
    moment.FromMicroseconds(round(seconds * 1e6))
    return moment


def to_moment(moment: Timestamp) -> float:
    """Returns a moment in seconds since 1970."""
    return moment.seconds + moment.nanos / 1e9


def from_voice(
    voice: Voice, *, model: str, aliases: list[str], custom: bool = False
) -> text_to_speech_pb2.Voice:
    """A voice of a model, with the other names that requests can use for it."""
    return text_to_speech_pb2.Voice(
        name=voice.name,
        model=model,
        language_codes=voice.language_codes,
        description=voice.description,
        aliases=aliases,
        custom=custom,
    )


def from_custom_voice(voice: CustomVoice, aliases: Iterable[str] = ()) -> voice_pb2.CustomVoice:
    """Returns the message for a custom voice, with its further names."""
    create_time = Timestamp()
    create_time.FromDatetime(voice.create_time)
    return voice_pb2.CustomVoice(
        id=voice.id,
        name=voice.name,
        language_code=voice.language_code,
        transcript=voice.transcript,
        consent=voice.consent,
        create_time=create_time,
        sample_duration=from_seconds(voice.sample_seconds),
        sample_bytes=voice.sample_bytes,
        sample_media_type=voice.sample_media_type,
        aliases=aliases,
        key_id=voice.owner,
    )


def from_job(job: Job) -> job_pb2.SpeechJob:
    """Returns the message for a job."""
    remaining = job.remaining_seconds
    speech = text_to_speech_pb2.SynthesizeRequest.FromString(job.request)
    if speech.HasField("sample"):
        speech.sample.ClearField("audio")  # jobs of before have it there
    return job_pb2.SpeechJob(
        id=job.id,
        state=FROM_JOB_STATE[job.state],
        speech=speech,
        text_start=job.text_start,
        characters=job.characters,
        pieces_done=job.pieces_done,
        pieces_total=job.pieces_total,
        audio_duration=from_seconds(job.audio_seconds),
        create_time=_from_moment(job.created),
        start_time=_from_moment(job.started),
        end_time=_from_moment(job.ended),
        remaining=None if remaining is None else from_seconds(remaining),
        error=job_pb2.SpeechJobError(reason=job.error_reason, message=job.error_message)
        if job.error_reason
        else None,
        key_id=job.key_id,
    )


def _from_moment(seconds: float | None) -> Timestamp | None:
    return None if seconds is None else from_moment(seconds)


def from_segment(index: int, segment: Segment) -> speech_to_text_pb2.TranscriptSegment:
    """The ``index``-th segment of a transcript."""
    return speech_to_text_pb2.TranscriptSegment(
        index=index,
        start=from_seconds(segment.start),
        end=from_seconds(segment.end),
        text=segment.text,
        words=_from_words(segment.words),
        tokens=segment.tokens,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
        temperature=segment.temperature,
        seek=segment.seek,
    )


def to_segment(segment: speech_to_text_pb2.TranscriptSegment) -> Segment:
    """The inverse of :func:`from_segment`."""

    def measure(name: str) -> float | None:
        value: float = getattr(segment, name)
        return value if segment.HasField(name) else None  # type: ignore[arg-type]

    return Segment(
        start=to_seconds(segment.start),
        end=to_seconds(segment.end),
        text=segment.text,
        words=_to_words(segment.words),
        tokens=tuple(segment.tokens),
        avg_logprob=measure("avg_logprob"),
        compression_ratio=measure("compression_ratio"),
        no_speech_prob=measure("no_speech_prob"),
        temperature=measure("temperature"),
        seek=segment.seek,
    )


def from_spoken(audio: SpokenAudio) -> text_to_speech_pb2.MarkedAudio:
    """A chunk of live speech."""
    mark = text_to_speech_pb2.SpeechMark(
        text_start=audio.text_start,
        text_end=audio.text_end,
        audio_offset=from_seconds(audio.offset_seconds),
        audio_duration=from_seconds(audio.seconds),
    )
    return text_to_speech_pb2.MarkedAudio(data=audio.data, mark=mark)


def to_spoken(audio: text_to_speech_pb2.MarkedAudio) -> SpokenAudio:
    """The inverse of :func:`from_spoken`."""
    mark = audio.mark
    return SpokenAudio(
        audio.data,
        mark.text_start,
        mark.text_end,
        to_seconds(mark.audio_offset),
        to_seconds(mark.audio_duration),
    )


def from_cancelled(cancelled: SpeechCancelled) -> text_to_speech_pb2.SpeechCancelled:
    """Returns the message that tells how much of cancelled live speech was sent."""
    return text_to_speech_pb2.SpeechCancelled(
        spoken_end=cancelled.spoken_end,
        begun_end=cancelled.begun_end,
        dropped_end=cancelled.dropped_end,
        audio_offset=from_seconds(cancelled.offset_seconds),
    )


def to_cancelled(cancelled: text_to_speech_pb2.SpeechCancelled) -> SpeechCancelled:
    """The inverse of :func:`from_cancelled`."""
    return SpeechCancelled(
        cancelled.spoken_end, cancelled.begun_end, cancelled.dropped_end, to_seconds(cancelled.audio_offset)
    )


def from_heard(event: HeardEvent) -> speech_to_text_pb2.StreamingTranscribeResponse:
    """An event of a live transcript."""
    pb = speech_to_text_pb2
    match event:
        case SpeechStarted():
            started = pb.SpeechStarted(utterance=event.utterance, at=from_seconds(event.at))
            return pb.StreamingTranscribeResponse(speech_started=started)
        case SpeechStopped():
            stopped = pb.SpeechStopped(
                utterance=event.utterance, at=from_seconds(event.at), cause=FROM_END_CAUSE[event.cause]
            )
            return pb.StreamingTranscribeResponse(speech_stopped=stopped)
        case UtteranceDiscarded():
            discarded = pb.UtteranceDiscarded(utterance=event.utterance, at=from_seconds(event.at))
            return pb.StreamingTranscribeResponse(discarded=discarded)
        case Hypothesis():
            hypothesis = pb.TranscriptHypothesis(
                utterance=event.utterance,
                stable_text=event.stable_text,
                unstable_text=event.unstable_text,
                audio_end=from_seconds(event.audio_end),
            )
            return pb.StreamingTranscribeResponse(hypothesis=hypothesis)
        case UtteranceTranscript():
            return pb.StreamingTranscribeResponse(transcript=_from_transcript(event))


def to_heard(response: speech_to_text_pb2.StreamingTranscribeResponse) -> HeardEvent:
    """The inverse of :func:`from_heard`."""
    match response.WhichOneof("event"):
        case "speech_started":
            started = response.speech_started
            return SpeechStarted(started.utterance, to_seconds(started.at))
        case "speech_stopped":
            stopped = response.speech_stopped
            return SpeechStopped(stopped.utterance, to_seconds(stopped.at), TO_END_CAUSE[stopped.cause])
        case "discarded":
            discarded = response.discarded
            utterance = discarded.utterance if discarded.HasField("utterance") else None
            return UtteranceDiscarded(utterance, to_seconds(discarded.at))
        case "hypothesis":
            heard = response.hypothesis
            return Hypothesis(
                heard.utterance, heard.stable_text, heard.unstable_text, to_seconds(heard.audio_end)
            )
        case _:
            return _to_transcript(response.transcript)


def _from_transcript(event: UtteranceTranscript) -> speech_to_text_pb2.UtteranceTranscript:
    return speech_to_text_pb2.UtteranceTranscript(
        utterance=event.utterance,
        start=from_seconds(event.start),
        end=from_seconds(event.end),
        text=event.text,
        words=_from_words(event.words),
        language_code=event.language.code,
        language_probability=event.language.probability,
        output_tokens=event.output_tokens,
    )


def _to_transcript(message: speech_to_text_pb2.UtteranceTranscript) -> UtteranceTranscript:
    detected = message.HasField("language_probability")
    return UtteranceTranscript(
        utterance=message.utterance,
        start=to_seconds(message.start),
        end=to_seconds(message.end),
        words=_to_words(message.words),
        language=Language(message.language_code, message.language_probability if detected else None),
        output_tokens=message.output_tokens,
    )


def _from_words(words: Iterable[Word]) -> list[speech_to_text_pb2.Word]:
    return [
        speech_to_text_pb2.Word(
            start=from_seconds(word.start),
            end=from_seconds(word.end),
            text=word.text,
            probability=word.probability,
        )
        for word in words
    ]


def _to_words(words: Iterable[speech_to_text_pb2.Word]) -> tuple[Word, ...]:
    return tuple(
        Word(word.text, to_seconds(word.start), to_seconds(word.end), word.probability) for word in words
    )
