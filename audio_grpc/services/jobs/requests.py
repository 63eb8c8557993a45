"""Reading the requests of JobService."""

from audio_grpc.audio import choose_rate
from audio_grpc.convert import TO_ENCODING
from audio_grpc.errors import TextTooLong
from audio_grpc.services.fields import given, known
from audio_grpc.services.requests import SpeechJob, require_text, speech_job
from audio_grpc.text import clean, split
from audio_grpc.types import Encoding, Job
from audio_grpc.v1 import job_pb2 as pb
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest


def read_speech(request: SynthesizeRequest, max_characters: int) -> SpeechJob:
    """Returns the speech that is asked for. Raises InvalidRequest for errors that show without the model."""
    require_text(request.text)
    if len(request.text) > max_characters:
        raise TextTooLong(
            f"the text has {len(request.text)} characters, more than {max_characters}; make several "
            "jobs of it, or raise max_job_characters",
            field="text",
        )
    return speech_job(request)


def cut(job: SpeechJob, max_piece_size: int) -> list[str]:
    """The pieces that the text is spoken in, cut as for Synthesize. Raises InvalidRequest."""
    text = clean(job.text)
    require_text(text)
    return list(
        split(
            text,
            strategy=job.strategy,
            target_size=job.target_size,
            language_code=job.options.language_code or "en",
            max_size=max_piece_size,
        )
    )


def read_delivery(request: pb.DownloadSpeechJobRequest, job: Job) -> tuple[Encoding, int]:
    """Encoding and sample rate in hertz of a download. Raises InvalidRequest."""
    made = speech_job(SynthesizeRequest.FromString(job.request))
    encoding = known("encoding", request.encoding, TO_ENCODING, made.encoding)
    rate: int | None = given(request, "sample_rate_hertz")
    if rate is None and encoding is made.encoding:
        rate = made.sample_rate_hertz
    return encoding, choose_rate(encoding, rate, job.sample_rate_hertz)
