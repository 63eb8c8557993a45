"""Containers with a clock of their own, cut and joined files, and guessed lengths, with the default model."""

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest

from audio_grpc.audio import decode
from audio_grpc.client import Client, ServiceError
from audio_grpc.convert import from_seconds
from audio_grpc.v1.speech_to_text_pb2 import TimeRange
from tests.conftest import RECORDINGS


@pytest.fixture
def whisper(embedded: str) -> Iterator[Client]:
    with Client(embedded) as client:
        yield client


def recording(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


def cues(client: Client, data: bytes, **options: object) -> tuple[list[tuple[float, str]], float]:
    """Returns the start and text of each segment, and the seconds that the recording is said to last."""
    with client.transcribe(data, language_code="en", **options) as transcript:  # type: ignore[arg-type]
        segments = [(segment.start, segment.text) for segment in transcript]
        return segments, transcript.finished.audio_duration.ToMilliseconds() / 1000


@pytest.mark.parametrize("words", [False, True])
def test_a_gap_in_an_mp4(whisper: Client, words: bool) -> None:
    segments, seconds = cues(whisper, recording("gap.mp4"), word_timestamps=words)
    starts = [start for start, _ in segments]
    assert min(abs(start - 17) for start in starts) < 0.5
    assert not [start for start in starts if 8 < start < 16.5]
    assert seconds == pytest.approx(24.08, abs=0.05)


def test_sound_that_begins_late(whisper: Client) -> None:
    segments, seconds = cues(whisper, recording("late_audio.mp4"))
    assert segments[0][0] == pytest.approx(6, abs=0.5)
    assert seconds == pytest.approx(13.1, abs=0.05)


def test_a_part_of_a_recording_is_chosen_on_the_same_clock(whisper: Client) -> None:
    second = TimeRange(start=from_seconds(16), end=from_seconds(25))
    segments, _ = cues(whisper, recording("gap.mp4"), clip_timestamps=[second], word_timestamps=True)
    assert segments[0][0] == pytest.approx(17, abs=0.5)


@pytest.mark.parametrize("name", ["m4a_trunk_title.m4a", "dur_plus06.webm"])
def test_whole_files_are_heard(whisper: Client, name: str) -> None:
    segments, seconds = cues(whisper, recording(name))
    assert segments
    assert seconds == pytest.approx(7.1, abs=0.05)


def test_joined_mp3s_are_heard_to_their_end(whisper: Client) -> None:
    segments, seconds = cues(whisper, recording("j_id3.mp3"))
    assert seconds == pytest.approx(14.2, abs=0.05)
    assert any(start > 6.5 for start, _ in segments)


def test_a_header_that_counts_itself_is_no_reason_to_refuse(whisper: Client) -> None:
    _, seconds = cues(whisper, recording("wav_plus44.wav"))
    assert seconds == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["half.opus", "half_rf64.wav"])
def test_half_an_upload_is_refused(whisper: Client, name: str) -> None:
    with pytest.raises(ServiceError, match="send all of it") as refusal:
        cues(whisper, recording(name))
    assert refusal.value.reason == "AUDIO_TRUNCATED"


def test_opposite_channels_are_heard_as_one(whisper: Client) -> None:
    left = decode(recording("stereo_turns.flac"), max_seconds=60).samples
    pcm = np.stack([left, -left], axis=1).reshape(1, -1)
    sink = io.BytesIO()
    with av.open(sink, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=16_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray((pcm * 32_767).astype(np.int16), layout="stereo")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    opposite, _ = cues(whisper, sink.getvalue())
    alike, _ = cues(whisper, recording("stereo_turns.flac"))
    assert (
        " ".join(text for _, text in opposite).split()[:5] == " ".join(text for _, text in alike).split()[:5]
    )
    assert len(opposite) == len(alike) > 0
