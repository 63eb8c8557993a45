"""Chatterbox's paths about the server: what it is doing, its memory, its models."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.routing import APIRoute

from audio_gateway.caller import Service
from audio_gateway.dialects.chatterbox import status
from audio_gateway.dialects.chatterbox.speech import PRESETS, ChatterboxSpeechRequest
from audio_gateway.dialects.openai import directory
from audio_gateway.errors import ApiError
from audio_grpc import __version__
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.v1.activity_pb2 import Activity

NAME = "audio-grpc"
LOOKED_AT = 100
RECENT = 5
BOOLEANS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
    "": False,
}
DEFAULTS = {
    "exaggeration": 0.5,
    "cfg_weight": 0.5,
    "temperature": 0.8,
    "streaming_chunk_size": PRESETS["balanced"][1],
    "streaming_strategy": PRESETS["balanced"][0].value,
    "streaming_buffer_size": ChatterboxSpeechRequest.model_fields["streaming_buffer_size"].default,
    "streaming_quality": "balanced",
}

CONFIRM = "Confirm it: without, nothing is done."
Confirmed = Annotated[bool, Query(alias="confirm", description=CONFIRM)]
Limit = Annotated[int, Query(ge=1, le=LOOKED_AT, description="How many at most.")]
router = APIRouter(tags=["chatterbox: status"])


async def _speech(service: AsyncClient) -> tuple[Activity | None, list[Activity]]:
    return status.speech(await service.list_activities(LOOKED_AT))


async def _memory(service: AsyncClient) -> dict[str, float] | None:
    """Returns the memory, which is for operators; None for the keys of others."""
    try:
        return status.memory(await service.get_memory())
    except ServiceError as error:
        if error.reason != "SCOPE_MISSING":
            raise
        return None


@router.get("/status")
@router.get("/processing", include_in_schema=False)
@router.get("/processing/status", include_in_schema=False)
async def get_status(
    service: Service,
    include_memory: bool = False,
    include_history: bool = False,
    include_stats: bool = False,
    history_limit: Limit = RECENT,
) -> dict[str, Any]:
    """Tells what is being spoken, and if wanted the last requests, totals and, to operators, memory."""
    current, ended = await _speech(service)
    totals = await service.get_statistics()
    found = status.status(current, totals)
    if include_memory:
        found["memory_info"] = await _memory(service)
    if include_history:
        found["request_history"] = status.history(ended[:history_limit])["request_history"]
    if include_stats:
        found["statistics"] = status.statistics(totals)
    return found


@router.get("/status/progress")
@router.get("/progress", include_in_schema=False)
async def get_progress(service: Service) -> dict[str, Any]:
    """Get the progress of the current request."""
    current, _ = await _speech(service)
    return status.progress(current)


@router.get("/status/history")
@router.get("/history", include_in_schema=False)
async def get_history(service: Service, limit: Limit = RECENT) -> dict[str, Any]:
    """List the speech requests that ended lately, the last first."""
    _, ended = await _speech(service)
    return {**status.history(ended[:limit]), "limit": limit}


@router.post("/status/history/clear")
@router.delete("/status/history", include_in_schema=False)
async def clear_history(service: Service, confirm: Confirmed = False) -> dict[str, Any]:
    """Clear the list of speech requests that ended."""
    if not confirm:
        return {
            "message": "History clear requires confirmation. Set confirm=true to proceed.",
            "warning": "This forgets all requests that have ended.",
        }
    return {
        "success": True,
        "message": "Request history cleared",
        "cleared": await service.clear_activities(),
    }


@router.get("/status/statistics")
@router.get("/stats", include_in_schema=False)
async def get_statistics(service: Service, include_memory: bool = False) -> dict[str, Any]:
    """Get totals since the server was started."""
    found = status.statistics(await service.get_statistics())
    if include_memory:
        found["current_memory"] = await _memory(service)
    return found


@router.get("/info")
@router.get("/api/info", include_in_schema=False)
async def get_info(service: Service) -> dict[str, Any]:
    """Get the version, status, statistics, memory and recent requests in one."""
    current, ended = await _speech(service)
    totals = await service.get_statistics()
    return {
        "api_name": NAME,
        "version": __version__,
        "api_version": __version__,
        "status": "operational",
        "tts_status": status.status(current, totals),
        "statistics": status.statistics(totals),
        "memory_info": await _memory(service),
        "recent_requests": status.history(ended[:RECENT])["request_history"],
        "uptime_info": {
            "start_time": totals.start_time.ToMilliseconds() / 1000,
            "total_requests": totals.requests,
            "is_processing": current is not None,
        },
    }


@router.get("/memory")
async def get_memory(
    service: Service,
    cleanup: Annotated[str, Query(description="true: unload what is idle and may go, first.")] = "false",
    include_alerts: bool = True,
) -> dict[str, Any]:
    """Tells what the server takes, in megabytes, and how many requests it has had."""
    if cleanup.lower() not in BOOLEANS:
        raise ApiError(400, "cleanup: send true or false", param="cleanup", code="invalid_value")
    totals = await service.get_statistics()
    found: dict[str, Any] = {
        "request_counter": totals.requests,
        "cleanup_performed": False,
        "cuda_cache_cleared": False,
    }
    if include_alerts:
        found["alerts"] = status.NO_ALERTS
    if BOOLEANS[cleanup.lower()]:
        return {**found, **status.freed(await service.free_memory())}
    return {"memory_info": status.memory(await service.get_memory()), **found}


@router.post("/memory/reset")
async def reset_memory(service: Service, confirm: Confirmed = False) -> dict[str, Any]:
    """Unload what is idle and may go, and give back what is unused."""
    if not confirm:
        message = "this unloads models that are idle; send confirm=true to proceed"
        raise ApiError(400, message, param="confirm", code="confirmation_required")
    totals = await service.get_statistics()
    freed = status.freed(await service.free_memory())
    return {
        "status": "reset",
        "previous_request_counter": totals.requests,
        "cuda_stats_reset": False,
        **freed,
    }


@router.get("/config")
async def get_config(service: Service) -> dict[str, Any]:
    """Get the defaults of requests, and the model that speaks by default."""
    model = status.speaker(await service.list_models())
    return {
        "api_info": {"name": NAME, "version": __version__},
        "model": status.capabilities(model) if model else None,
        "defaults": DEFAULTS,
        "server": {},
        "memory_management": {},
    }


@router.get("/health")
async def get_health(service: Service, response: Response) -> dict[str, Any]:
    """Tell if the service answers, and if its model is in memory; 503 if it does not answer."""
    memory = None
    try:
        serving = await service.is_serving()
        model = status.speaker(await service.list_models()) if serving else None
        if serving:
            memory = await _memory(service)
    except ServiceError:
        serving, model = False, None
    if not serving:
        response.status_code = 503
    return {
        "status": "healthy" if serving else "unavailable",
        "model_loaded": status.is_loaded(model),
        "device": model.device if model else "unknown",
        "config": DEFAULTS,
        "memory_info": memory,
        "initialization_state": "ready" if serving else "unavailable",
        "initialization_progress": None,
        "initialization_error": None,
    }


@router.get("/ping")
async def ping() -> dict[str, str]:
    """Tell that the gateway is running."""
    return {"status": "ok", "message": "Server is running"}


@router.get("/models")
async def list_chatterbox_models(service: Service) -> directory.ModelList:
    """List every model, under each of its names."""
    return directory.listed(await service.list_models())


def endpoints(routes: list[APIRoute]) -> dict[str, Any]:
    """The paths, each with the others that do the same."""
    found: dict[tuple[str, str], list[str]] = {}
    for route in routes:
        for method in sorted(route.methods or ()):
            found.setdefault((method, route.endpoint.__name__), []).append(route.path)
    # A decorator is applied from below: the first path of a function is its last.
    mappings = [
        {"method": method, "primary": paths[-1], "aliases": paths[:-1], "total_paths": len(paths)}
        for (method, _), paths in found.items()
    ]
    return {"total_endpoints": len(mappings), "mappings": mappings, "prefixes": ["", "/v1", "/chatterbox"]}
