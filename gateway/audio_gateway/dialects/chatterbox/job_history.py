"""The history of long texts: selected, sorted, counted, and acted on together, in Chatterbox's shapes."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from audio_gateway.dialects.chatterbox.jobs import STATES, State, detail_of, duration, item
from audio_gateway.errors import ApiError
from audio_gateway.shapes import Body
from audio_grpc.v1.job_pb2 import SpeechJob

Sort = Literal[
    "created_desc", "created_asc", "completed_desc", "completed_asc", "duration_desc", "duration_asc",
    "name_asc", "name_desc", "size_desc", "size_asc",
]  # fmt: skip
KEYS: dict[str, Callable[[SpeechJob], Any]] = {
    "created": lambda job: job.create_time.ToMicroseconds(),
    "completed": lambda job: job.end_time.ToMicroseconds(),
    "duration": lambda job: job.audio_duration.ToMicroseconds(),
    "name": lambda job: job.text_start,
    "size": lambda job: job.characters,
}


class BulkAction(Body):
    """An action on several jobs."""

    job_ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=100)
    action: Literal["delete", "retry", "archive", "unarchive"]
    confirm: bool = Field(description="Only true: without, nothing is done.")


class Labels(Body):
    """Names that somebody gives a job."""

    display_name: str | None = Field(None, max_length=200)
    tags: list[Annotated[str, Field(max_length=50)]] | None = Field(None, max_length=20)
    is_archived: bool | None = None


def moment(text: str, param: str) -> datetime | None:
    """A moment as ISO 8601 has it, in UTC; None for an empty text. ApiError with status 400."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{param}: send a moment such as 2026-11-28T12:00:00Z"
        raise ApiError(400, message, param=param, code="invalid_value") from error


def selected(
    jobs: Sequence[SpeechJob],
    status: State | None,
    start: datetime | None,
    end: datetime | None,
    search: str,
) -> list[SpeechJob]:
    """Returns the jobs of a state that were made within a time and whose text begins much like ``search``."""
    wanted = search.casefold()
    return [
        job
        for job in jobs
        if status in (None, STATES[job.state])
        and (start is None or job.create_time.ToDatetime(UTC) >= start)
        and (end is None or job.create_time.ToDatetime(UTC) <= end)
        and wanted in job.text_start.casefold()
    ]


def page(jobs: Sequence[SpeechJob], sort: Sort, offset: int, limit: int, url: str) -> dict[str, Any]:
    """Some of them, sorted; what has no end is taken for the oldest."""
    name, _, direction = sort.partition("_")
    ordered = sorted(jobs, key=KEYS[name], reverse=direction == "desc")
    states = [STATES[job.state] for job in jobs]
    return {
        "jobs": [item(job, f"{url}/{job.id}") for job in ordered[offset : offset + limit]],
        "total_jobs": len(jobs),
        "active_jobs": sum(state in ("pending", "processing") for state in states),
        "completed_jobs": states.count("completed"),
    }


def statistics(jobs: Sequence[SpeechJob]) -> dict[str, Any]:
    """Totals; how much the results take on the disk is not known here."""
    states = [STATES[job.state] for job in jobs]
    completed, failed = states.count("completed"), states.count("failed")
    took = [duration(job) for job, state in zip(jobs, states, strict=True) if state == "completed"]
    voices = Counter(job.speech.voice for job in jobs if job.speech.voice)
    return {
        "total_jobs": len(jobs),
        "completed_jobs": completed,
        "failed_jobs": failed,
        "total_audio_duration_seconds": sum(job.audio_duration.ToMilliseconds() for job in jobs) / 1000,
        "total_storage_bytes": None,
        "average_processing_time_seconds": sum(took) / len(took) if took else 0.0,
        "success_rate_percentage": 100.0 * completed / (completed + failed) if completed + failed else 0.0,
        "most_used_voice": max(voices, key=voices.__getitem__, default=None),
        "jobs_by_month": dict(Counter(f"{job.create_time.ToDatetime(UTC):%Y-%m}" for job in jobs)),
    }


def details(job: SpeechJob) -> dict[str, Any]:
    """One job, with how its text begins: the server gives back neither the rest of it nor its chunks."""
    milliseconds = round(duration(job) * 1000)
    done = job.pieces_done
    return {
        "metadata": detail_of(job),
        "chunks": [],
        "input_text": job.text_start,
        "error_log": [job.error.message] if job.error.message else [],
        "performance_metrics": {
            "total_processing_time_ms": milliseconds,
            "avg_chunk_time_ms": milliseconds / done if done else 0,
            "success_rate": done / job.pieces_total,
        },
    }


def bulk_result(action: str, failed: Sequence[str], total: int) -> dict[str, Any]:
    """Returns what is told of an action on several jobs at once."""
    success = total - len(failed)
    return {
        "success_count": success,
        "failed_count": len(failed),
        "total_count": total,
        "failed_jobs": list(failed),
        "message": f"Bulk {action}: {success}/{total} successful",
    }
