"""Chatterbox's paths of what became of long texts."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from audio_gateway.bodies import JsonRoute
from audio_gateway.caller import Service
from audio_gateway.dialects.chatterbox import job_history as history
from audio_gateway.dialects.chatterbox import jobs
from audio_gateway.dialects.chatterbox.errors import translate_job
from audio_gateway.dialects.chatterbox.jobs import ENDED, STATES
from audio_gateway.dialects.chatterbox.long_routes import LOOKED_AT, PATH, Limit, Status, newest, url_of
from audio_gateway.errors import ApiError, speaks
from audio_grpc.client import ServiceError

HISTORY = f"{PATH}-history"

Confirmed = Annotated[bool, Query(description="Only true: without, nothing is done.")]
router = APIRouter(
    route_class=JsonRoute, tags=["chatterbox: jobs"], dependencies=[Depends(speaks(translate_job))]
)


@router.get(HISTORY)
async def list_long_history(
    request: Request,
    service: Service,
    status: Status = None,
    start_date: Annotated[str, Query(description="Made then or later (ISO 8601).")] = "",
    end_date: Annotated[str, Query(description="Made then or before.")] = "",
    search: Annotated[str, Query(max_length=200, description="In how the text begins.")] = "",
    sort: history.Sort = "completed_desc",
    limit: Limit = 50,
    offset: Annotated[int, Query(ge=0, le=LOOKED_AT)] = 0,
) -> dict[str, Any]:
    """Jobs by what they are; of the newest 1000."""
    start, end = history.moment(start_date, "start_date"), history.moment(end_date, "end_date")
    found = history.selected(await newest(service), status, start, end, search)
    return history.page(found, sort, offset, limit, url_of(request))


@router.get(f"{HISTORY}/stats")
async def get_long_statistics(service: Service) -> dict[str, Any]:
    """Totals of the newest 1000."""
    return history.statistics(await newest(service))


@router.delete(HISTORY)
@router.delete(f"{PATH}/history", include_in_schema=False)
async def clear_long_history(service: Service, confirm: Confirmed = False) -> dict[str, Any]:
    """Forget the jobs that have ended, of the newest 1000."""
    _require(confirm)
    ended = [job.id for job in await newest(service) if STATES[job.state] in ENDED]
    failed = await _each(service.delete_job, ended)
    cleared = len(ended) - len(failed)
    return {
        "message": f"Cleared {cleared} jobs from history",
        "cleared_count": cleared,
        "deleted_count": cleared,
        "failed_count": len(failed),
    }


@router.post(f"{PATH}/bulk")
async def act_on_long_speech(body: history.BulkAction, service: Service) -> dict[str, Any]:
    """Delete or retry several jobs; none can be archived."""
    _require(body.confirm)
    actions: dict[str, Callable[[str], Awaitable[object]]] = {
        "delete": service.delete_job,
        "retry": service.retry_job,
    }
    if body.action not in actions:
        raise _no_labels("action")
    failed = await _each(actions[body.action], body.job_ids)
    return history.bulk_result(body.action, failed, len(body.job_ids))


@router.get(f"{PATH}/{{job_id}}/details")
async def get_long_details(job_id: str, service: Service) -> dict[str, Any]:
    """Returns what the job is, in detail."""
    return history.details(await service.get_job(job_id))


@router.patch(f"{PATH}/{{job_id}}")
async def label_long_speech(job_id: str, body: history.Labels, service: Service) -> dict[str, Any]:
    """Tells if the job is there, and does nothing else: its labels are not kept."""
    job = await service.get_job(job_id)
    for name, value in body:
        if value:
            raise _no_labels(name)
    return jobs.changed(job, "Job metadata updated successfully")


def _require(confirm: bool) -> None:
    if not confirm:
        raise ApiError(
            400,
            "this cannot be taken back; send confirm=true to proceed",
            param="confirm",
            code="confirmation_required",
        )


async def _each(act: Callable[[str], Awaitable[object]], job_ids: Iterable[str]) -> list[str]:
    """Does it to each job; returns the jobs where it failed."""
    failed = []
    for job_id in job_ids:
        try:
            await act(job_id)
        except ServiceError:
            failed.append(job_id)
    return failed


def _no_labels(param: str) -> ApiError:
    message = "the server keeps no names, tags or archive of jobs; leave that out, or delete the job"
    return ApiError(400, message, param=param, code="not_supported")
