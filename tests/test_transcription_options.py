"""Rarely used options of a transcriber, on the real model."""

import math
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from audio_grpc.client import Client, Segment, ServiceError
from audio_grpc.v1.speech_to_text_pb2 import DecodingParameters, TimeRange, VoiceActivityParameters
from tests.conftest import DATA, Start

# "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power ..."
SPEECH = (DATA / "sense_and_sensibility_0870.flac").read_bytes()
FULL_STOP_AND_COMMA = (13, 11)
AS_USUAL = -1


def heard(client: Client, **options: Any) -> list[Segment]:
    asked: dict[str, Any] = {"language_code": "en", "beam_size": 1} | options
    return list(client.transcribe(SPEECH, **asked))


def text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(round(value * 1e6))
    return duration


def test_only_the_clips_are_transcribed_and_keep_their_places(client: Client) -> None:
    clips = [TimeRange(start=seconds(0), end=seconds(1.5)), TimeRange(start=seconds(4))]
    first, *_, last = segments = heard(client, clip_timestamps=clips)
    assert first.text == " And Mr. John Dashwood"
    assert segments[1].start >= 4
    assert last.end == pytest.approx(7, abs=0.2)
    assert "leisure" not in text(segments)


def test_suppressed_tokens_are_not_written(client: Client) -> None:
    asked = DecodingParameters(suppress_tokens=[AS_USUAL, *FULL_STOP_AND_COMMA])
    segments = heard(client, decoding_parameters=asked)
    assert "Mr John Dashwood" in text(segments)
    assert not {token for segment in segments for token in segment.tokens} & set(FULL_STOP_AND_COMMA)


def test_a_token_that_the_model_does_not_have_is_refused(client: Client) -> None:
    with pytest.raises(ServiceError, match="no token 60000; its tokens are 0 to 50363") as failure:
        heard(client, decoding_parameters=DecodingParameters(suppress_tokens=[60_000]))
    assert failure.value.field == "decoding_parameters.suppress_tokens"


def test_a_result_that_looks_wrong_is_tried_again_at_the_next_temperature(client: Client) -> None:
    never_sure_enough = DecodingParameters(temperatures=[0.0, 0.1], log_prob_threshold=0.0)
    assert {segment.temperature for segment in heard(client, decoding_parameters=never_sure_enough)} == {0.1}


def test_windows_that_seem_silent_are_left_out(client: Client) -> None:
    deaf = DecodingParameters(no_speech_threshold=0.0, log_prob_threshold=0.0, temperatures=[0.0])
    assert heard(client, decoding_parameters=deaf) == []


def test_multilingual_follows_what_is_spoken(client: Client) -> None:
    assert "leisure to consider" in text(heard(client, language_code="fr", multilingual=True))


def test_batched_windows_have_the_same_words_and_a_second_temperature(client: Client) -> None:
    never_sure_enough = DecodingParameters(temperatures=[0.0, 0.1], log_prob_threshold=0.0)
    segments = heard(client, batched=True, word_timestamps=True, decoding_parameters=never_sure_enough)
    assert "leisure to consider how much" in text(segments)
    assert {segment.temperature for segment in segments} == {0.1}
    assert "".join(word.text for segment in segments for word in segment.words) == text(segments)


def test_speech_that_is_too_short_to_be_some_is_left_out(client: Client) -> None:
    assert heard(client, voice_activity_parameters=VoiceActivityParameters(min_speech=seconds(10))) == []


def test_many_hotwords_leave_room_beside_a_long_prompt(client: Client) -> None:
    segments = heard(client, prompt="He had leisure. " * 200, hotwords=["Dashwood and company"] * 128)
    assert "leisure to consider" in text(segments)


@pytest.mark.parametrize(
    ("options", "field", "advice"),
    [
        ({"decoding_parameters": DecodingParameters(temperatures=[0, 1.1])}, "temperatures", "0.0 to 1.0"),
        ({"decoding_parameters": DecodingParameters(temperatures=[0] * 9)}, "temperatures", "at most 8"),
        ({"decoding_parameters": DecodingParameters(best_of=0)}, "best_of", "1 to 16"),
        ({"decoding_parameters": DecodingParameters(patience=0.5)}, "patience", "1.0 to 4.0"),
        ({"decoding_parameters": DecodingParameters(length_penalty=-1)}, "length_penalty", "0.0 to 2.0"),
        (
            {"decoding_parameters": DecodingParameters(repetition_penalty=math.nan)},
            "repetition_penalty",
            "1.0 to 2.0",
        ),
        ({"decoding_parameters": DecodingParameters(suppress_tokens=[-2])}, "suppress_tokens", "-1 to"),
        (
            {"decoding_parameters": DecodingParameters(suppress_tokens=[1] * 257)},
            "suppress_tokens",
            "at most 256",
        ),
        (
            {
                "decoding_parameters": DecodingParameters(hallucination_silence_threshold=seconds(61)),
                "word_timestamps": True,
            },
            "hallucination_silence_threshold",
            "0.0 to 60.0",
        ),
        (
            {"decoding_parameters": DecodingParameters(hallucination_silence_threshold=seconds(1))},
            "hallucination_silence_threshold",
            "set word_timestamps",
        ),
        (
            {"decoding_parameters": DecodingParameters(temperatures=[0.5]), "temperature": 0.5},
            "temperatures",
            "both set",
        ),
    ],
)
async def test_decoding_parameters_out_of_range_are_refused(
    start: Start, options: dict[str, Any], field: str, advice: str
) -> None:
    _, client = await start()
    with pytest.raises(ServiceError, match=advice) as failure:
        await client.transcribe(b"RIFF", **options).start()
    assert failure.value.field == f"decoding_parameters.{field}"


BACKWARDS = [TimeRange(start=seconds(2), end=seconds(1))]
OVERLAPPING = [TimeRange(start=seconds(0), end=seconds(2)), TimeRange(start=seconds(1))]
OPEN_TWICE = [TimeRange(start=seconds(0)), TimeRange(start=seconds(1))]
NEGATIVE = [TimeRange(start=seconds(-1), end=seconds(1))]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        *(({"clip_timestamps": clips}, "clip_timestamps") for clips in (BACKWARDS, OVERLAPPING, OPEN_TWICE)),
        ({"clip_timestamps": NEGATIVE}, "clip_timestamps"),
        ({"clip_timestamps": [TimeRange(start=seconds(1))] * 1001}, "clip_timestamps"),
        ({"clip_timestamps": [TimeRange(start=seconds(1))], "batched": True}, "clip_timestamps"),
        ({"voice_activity_detection": False, "batched": True}, "voice_activity_detection"),
    ],
)
async def test_stretches_that_cannot_be_are_refused(
    start: Start, options: dict[str, Any], field: str
) -> None:
    _, client = await start()
    with pytest.raises(ServiceError) as failure:
        await client.transcribe(b"RIFF", **options).start()
    assert failure.value.field == field


def test_languages_are_what_the_weights_have(client: Client) -> None:
    whisper = next(model for model in client.list_models() if model.name == "whisper-base")
    assert len(whisper.language_codes) == 99
    assert "yue" not in whisper.language_codes
    clips = [TimeRange(start=seconds(0), end=seconds(1))]
    meant = {"nb": "no", "nb-NO": "no", "English": "en", "yue": "zh", "jw": "jv"}
    for code, known in {**meant, "fil": "tl", "iw": "he", "cmn": "zh", "auto": "en"}.items():
        with client.transcribe(SPEECH, beam_size=1, language_code=code, clip_timestamps=clips) as transcript:
            assert transcript.start().language_code == known
    with pytest.raises(ServiceError, match=r"it knows: af, am, .* yo, zh\.") as refusal:
        client.transcribe(SPEECH, language_code="tlh").start()
    assert (refusal.value.reason, refusal.value.field) == ("OPTION_UNSUPPORTED", "language_code")


def test_one_of_several_languages_is_detected(client: Client) -> None:
    for codes, detected in ((["de", "english"], "en"), (["zh", "ja", "auto"], None), (["fr-CA"], "fr")):
        clips = [TimeRange(start=seconds(0), end=seconds(1))]
        with client.transcribe(SPEECH, beam_size=1, language_codes=codes, clip_timestamps=clips) as heard_of:
            started = heard_of.start()
        assert started.ignored_fields == []
        assert started.language_code == detected or (detected is None and started.language_code in codes)
        assert started.HasField("language_probability") == (len(codes) > 1)
    for codes, field in ((["en", "tlh"], "OPTION_UNSUPPORTED"), (["e"] * 33, "INVALID_FIELD")):
        with pytest.raises(ServiceError) as refusal:
            client.transcribe(SPEECH, language_codes=codes).start()
        assert (refusal.value.reason, refusal.value.field) == (field, "language_codes")
    with pytest.raises(ServiceError, match="both set"):
        client.transcribe(SPEECH, language_code="en", language_codes=["de"]).start()
