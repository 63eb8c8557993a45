"""Chatterbox's paths of long texts, which are the service's jobs."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from audio_gateway import sse
from audio_gateway.answers import AnswerResponse
from audio_gateway.bodies import JsonRoute
from audio_gateway.caller import Service, request_id
from audio_gateway.dialects.chatterbox import documents, jobs, long_speech
from audio_gateway.dialects.chatterbox.errors import translate_job
from audio_gateway.dialects.chatterbox.jobs import State
from audio_gateway.dialects.chatterbox.long_speech import LongSpeechRequest, RetryRequest
from audio_gateway.errors import speaks
from audio_gateway.speech import Format, ignored
from audio_grpc.client import AsyncClient
from audio_grpc.v1.job_pb2 import SpeechJob

PATH = "/audio/speech/long"
LOOKED_AT, PAGE = 1000, 100
"""The most jobs that the list counts, the newest, and the most that it shows at once."""

Limit = Annotated[int, Query(ge=1, le=PAGE, description="How many at most.")]
Status = Annotated[State | None, Query(description="Only those of this state.")]


class LongTextRoute(JsonRoute):
    """A route of bodies with a text as long as the service takes it by default, each character escaped."""

    max_bytes = 12 << 20


router = APIRouter(
    prefix=PATH,
    route_class=LongTextRoute,
    tags=["chatterbox: jobs"],
    dependencies=[Depends(speaks(translate_job))],
)


@router.post("")
async def create_long_speech(
    body: LongSpeechRequest, request: Request, response: Response, service: Service
) -> dict[str, Any]:
    """Have a text spoken in the background, however long it is and whoever stays connected."""
    made = await service.submit_job(body.input, request_id=request_id(request), **body.manner())
    response.headers.update(ignored(made.ignored_fields))
    url = f"{url_of(request)}/{made.job.id}"
    return jobs.created(made.job, url, "Job submitted for processing")


@router.get("")
async def list_long_speech(
    request: Request, service: Service, status: Status = None, limit: Limit = 20
) -> dict[str, Any]:
    """The jobs, newest first; the totals are of the newest 1000."""
    return jobs.listed(await newest(service), url_of(request), status, limit)


@router.get("/{job_id}")
async def get_long_speech(job_id: str, request: Request, service: Service) -> dict[str, Any]:
    """Get a job and its progress."""
    job = await service.get_job(job_id)
    return jobs.described(job, f"{url_of(request)}/{job.id}")


@router.get("/{job_id}/sse", response_class=Response, responses=documents.JOB_EVENTS)
async def watch_long_speech(job_id: str, service: Service) -> Response:
    """Send the progress of a job as events, whenever it has changed, until the job has ended."""
    return AnswerResponse(sse.stream(long_speech.events(service, job_id), translate_job, sse.named))


@router.get("/{job_id}/download", response_class=Response, responses=documents.LONG_SOUND)
async def download_long_speech(
    job_id: str,
    service: Service,
    response_format: Annotated[Format | None, Query(description="Another than it was made with.")] = None,
    follow: Annotated[bool, Query(description="Send what there is, and the rest as it is spoken.")] = False,
) -> Response:
    """The sound of one that is completed, or with ``follow`` of one that is not."""
    return AnswerResponse(long_speech.download(service, job_id, response_format, follow))


@router.put("/{job_id}/pause")
async def pause_long_speech(job_id: str, service: Service) -> dict[str, Any]:
    """Let it rest once the chunk that is being spoken is done."""
    return jobs.changed(await service.pause_job(job_id), "Job paused successfully")


@router.put("/{job_id}/resume")
async def resume_long_speech(job_id: str, service: Service) -> dict[str, Any]:
    """Resume a paused job."""
    return jobs.changed(await service.resume_job(job_id), "Job resumed successfully")


@router.post("/{job_id}/retry")
async def retry_long_speech(
    job_id: str, request: Request, service: Service, body: Annotated[RetryRequest | None, Body()] = None
) -> dict[str, Any]:
    """Continue a failed job with the chunk that failed."""
    job = await service.retry_job(job_id)
    return jobs.created(job, f"{url_of(request)}/{job.id}", "Job submitted for another attempt")


@router.delete("/{job_id}")
async def end_long_speech(
    job_id: str,
    service: Service,
    action: Annotated[
        Literal["cancel", "delete"], Query(description="delete: forget it as well.")
    ] = "cancel",
) -> dict[str, Any]:
    """Cancel it, or delete it with its text and its sound, whatever its state."""
    if action == "cancel":
        return jobs.changed(await service.cancel_job(job_id), "Job cancelled successfully")
    await service.delete_job(job_id)
    return {"success": True, "message": "Job deleted successfully", "job_id": job_id}


async def newest(service: AsyncClient) -> list[SpeechJob]:
    """Returns the newest jobs, so many as are looked at."""
    found: list[SpeechJob] = []
    async for job in service.list_jobs(LOOKED_AT):
        found.append(job)
        if len(found) == LOOKED_AT:
            break
    return found


def url_of(request: Request) -> str:
    """Returns the path of the jobs for this caller, with the prefix that the request has."""
    return request.url.path.partition(PATH)[0] + PATH
