"""Long texts that are spoken in the background, in the shapes of Chatterbox's jobs.

The names of fields and states are those of https://github.com/travisvn/chatterbox-tts-api
(app/models/long_text.py); progress has the fields of /status/progress as well. Chunks are counted from 1, as
there.
"""

import math
import time
from collections.abc import Iterable
from typing import Any, Literal

from google.protobuf.timestamp_pb2 import Timestamp

from audio_grpc.client import Encoding
from audio_grpc.convert import TO_ENCODING, TO_STRATEGY
from audio_grpc.v1 import job_pb2 as pb
from audio_grpc.v1.job_pb2 import SpeechJob
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest

State = Literal["pending", "processing", "paused", "completed", "failed", "cancelled"]
STATES: dict[pb.SpeechJobState.ValueType, State] = {
    pb.SPEECH_JOB_STATE_QUEUED: "pending",
    pb.SPEECH_JOB_STATE_RUNNING: "processing",
    pb.SPEECH_JOB_STATE_PAUSED: "paused",
    pb.SPEECH_JOB_STATE_COMPLETED: "completed",
    pb.SPEECH_JOB_STATE_FAILED: "failed",
    pb.SPEECH_JOB_STATE_CANCELLED: "cancelled",
}
STEPS: dict[State, str] = {
    "pending": "Waiting for its turn",
    "processing": "Generating audio for chunk {chunk}/{total}",
    "paused": "Paused",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
ACTIVE = ("pending", "processing")
ENDED = ("completed", "failed", "cancelled")
PARAMETERS = ("speed", "exaggeration", "cfg_weight", "temperature")


def created(job: SpeechJob, url: str, message: str) -> dict[str, Any]:
    """Returns the answer about a job that has just been made, or goes on after a failure."""
    return {
        "job_id": job.id,
        "status": STATES[job.state],
        "message": message,
        "estimated_processing_time_seconds": _remaining(job),
        "total_chunks": job.pieces_total,
        "status_url": url,
        "sse_url": f"{url}/sse",
    }


def changed(job: SpeechJob, message: str) -> dict[str, Any]:
    """Returns the answer about a job that was changed."""
    return {"success": True, "message": message, "job_id": job.id, "status": STATES[job.state]}


def progress(job: SpeechJob) -> dict[str, Any]:
    """Returns the progress of a job."""
    state = STATES[job.state]
    chunk = job.pieces_done + (state == "processing" and job.pieces_done < job.pieces_total)
    remaining = _remaining(job)
    return {
        "job_id": job.id,
        "is_processing": state in ACTIVE,
        "status": state,
        "current_step": STEPS[state].format(chunk=chunk, total=job.pieces_total),
        "current_chunk": chunk,
        "total_chunks": job.pieces_total,
        "progress_percentage": percentage(job),
        "duration_seconds": duration(job),
        "estimated_completion": time.time() + remaining if remaining and state == "processing" else None,
        "estimated_remaining_seconds": remaining,
        "text_preview": job.text_start,
    }


def described(job: SpeechJob, url: str) -> dict[str, Any]:
    """Returns one job in detail."""
    state = STATES[job.state]
    latest = next(time for time in (job.end_time, job.start_time, job.create_time) if time.seconds)
    return {
        "job_id": job.id,
        "status": state,
        "progress": {
            **progress(job),
            "overall_progress": percentage(job),
            "error": job.error.message or None,
        },
        "metadata": detail_of(job),
        "created_at": job.create_time.ToJsonString(),
        "updated_at": latest.ToJsonString(),
        "download_url": _download(job, url),
        "can_pause": state in ACTIVE,
        "can_resume": state == "paused",
        "can_cancel": state not in ENDED,
        "can_retry": state == "failed",
    }


def listed(found: Iterable[SpeechJob], url: str, state: State | None, most: int) -> dict[str, Any]:
    """The first jobs of a state, or of any, and how many there are."""
    jobs = list(found)
    states = [STATES[job.state] for job in jobs]
    wanted = [job for job in jobs if state in (None, STATES[job.state])][:most]
    return {
        "jobs": [item(job, f"{url}/{job.id}") for job in wanted],
        "total_jobs": len(jobs),
        "active_jobs": sum(each in ACTIVE for each in states),
        "completed_jobs": states.count("completed"),
    }


def percentage(job: SpeechJob) -> float:
    """Returns the percentage of its pieces that are spoken, 0 to 100."""
    return 100.0 * job.pieces_done / job.pieces_total


def item(job: SpeechJob, url: str) -> dict[str, Any]:
    """One job in a list; nobody can name it, tag it or archive it."""
    return {
        "job_id": job.id,
        "status": STATES[job.state],
        "text_preview": job.text_start,
        "text_length": job.characters,
        "progress_percentage": percentage(job),
        "created_at": job.create_time.ToJsonString(),
        "completed_at": _moment(job.end_time) if job.state == pb.SPEECH_JOB_STATE_COMPLETED else None,
        "download_url": _download(job, url),
        "can_resume": job.state == pb.SPEECH_JOB_STATE_PAUSED,
        "voice": job.speech.voice,
        "estimated_remaining_seconds": _remaining(job),
        "total_duration_seconds": job.audio_duration.ToMilliseconds() / 1000,
        "parameters": _parameters(job.speech),
        "audio_file_size": None,
        "retry_count": 0,
        "is_archived": False,
        "display_name": None,
        "tags": [],
        "last_accessed": None,
    }


def detail_of(job: SpeechJob) -> dict[str, Any]:
    """Returns what is known of a job beside its progress."""
    return {
        "job_id": job.id,
        "status": STATES[job.state],
        "created_at": job.create_time.ToJsonString(),
        "text_length": job.characters,
        "total_chunks": job.pieces_total,
        "completed_chunks": job.pieces_done,
        "voice": job.speech.voice,
        "parameters": _parameters(job.speech),
        "processing_started_at": _moment(job.start_time),
        "processing_completed_at": _moment(job.end_time),
        "output_format": _format(job.speech),
        "output_duration_seconds": job.audio_duration.ToMilliseconds() / 1000,
        "error": job.error.message or None,
    }


def _parameters(speech: SynthesizeRequest) -> dict[str, Any]:
    """Returns the parameters that the request gave."""
    asked: dict[str, Any] = {
        field.name: value for field, value in speech.ListFields() if field.name in PARAMETERS
    }
    if strategy := TO_STRATEGY.get(speech.splitting.strategy):
        asked["streaming_strategy"] = strategy.value
    if speech.splitting.HasField("target_size"):
        asked["streaming_chunk_size"] = speech.splitting.target_size
    return {"model": speech.model, "response_format": _format(speech), **asked}


def _format(speech: SynthesizeRequest) -> str:
    return TO_ENCODING.get(speech.encoding, Encoding.WAV).value


def _remaining(job: SpeechJob) -> int | None:
    return math.ceil(job.remaining.ToMilliseconds() / 1000) if job.HasField("remaining") else None


def duration(job: SpeechJob) -> float:
    """Seconds from its first chunk to its end, or until now."""
    if not job.HasField("start_time"):
        return 0.0
    end = job.end_time.ToMilliseconds() / 1000 if job.HasField("end_time") else time.time()
    return max(0.0, end - job.start_time.ToMilliseconds() / 1000)


def _moment(moment: Timestamp) -> str | None:
    return moment.ToJsonString() if moment.seconds else None


def _download(job: SpeechJob, url: str) -> str | None:
    return f"{url}/download" if job.state == pb.SPEECH_JOB_STATE_COMPLETED else None
