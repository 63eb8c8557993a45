"""Checking the recordings of speakers that callers send."""

import asyncio

from audio_grpc.audio import decode
from audio_grpc.errors import AudioEmpty, AudioTooLong, InvalidRequest, MessageTooLarge, SampleLength
from audio_grpc.types import Audio

MEBIBYTE = 1 << 20
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 60.0


async def decode_sample(data: bytes, sample_rate_hertz: int = 16_000) -> Audio:
    """The sound of a sample, off the event loop. Raises what :func:`audio_grpc.audio.decode` does.

    Ten seconds of MP3 take 10 ms. That is not worth a cache: what a model makes of a sample takes far
    longer, and a backend can keep it under the voice's id.
    """
    return await asyncio.to_thread(
        decode, data, sample_rate_hertz=sample_rate_hertz, max_seconds=LONGEST_SECONDS
    )


async def checked_sample(
    data: bytes, field: str, *, max_bytes: int, sample_rate_hertz: int = 16_000
) -> Audio:
    """The sound of a sample that a request has in ``field``.

    Raises SampleLength, MessageTooLarge, or another kind of InvalidRequest if it is no sample.
    """
    if not data:
        raise AudioEmpty("there is no sample in the request; send a whole sound file", field=field)
    if len(data) > max_bytes:
        raise MessageTooLarge(
            f"the sample has {len(data) / MEBIBYTE:.1f} MiB, more than {max_bytes / MEBIBYTE:g} MiB; "
            "send it compressed (Opus, FLAC, MP3) or shorter, or raise max_voice_sample_bytes",
            field=field,
        )
    try:
        audio = await decode_sample(data, sample_rate_hertz)
    except AudioTooLong as error:
        raise _bad_length(f"more than {LONGEST_SECONDS:g}", field) from error
    except InvalidRequest as error:
        error.field = field  # it is the audio of a transcription that the decoder has in mind
        raise
    if audio.seconds < SHORTEST_SECONDS:
        raise _bad_length(f"{audio.seconds:.2f}", field)
    if not audio.samples.any():
        raise AudioEmpty(
            "the sample is silent from end to end; send one in which a speaker is heard", field=field
        )
    return audio


def _bad_length(seconds: str, field: str) -> SampleLength:
    return SampleLength(
        f"the sample lasts {seconds} seconds; send {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds of "
        "one speaker",
        field=field,
    )
