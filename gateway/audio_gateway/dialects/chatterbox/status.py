"""The service's activities in Chatterbox's shapes, which know one request at a time.

Of several, the one that has been active for longest is shown.
"""

from collections.abc import Sequence
from typing import Any

from audio_grpc.v1 import activity_pb2 as pb
from audio_grpc.v1.activity_pb2 import Activity, Statistics
from audio_grpc.v1.model_admin_pb2 import FreeMemoryResponse, Memory
from audio_grpc.v1.model_pb2 import MODEL_KIND_SYNTHESIZER, MODEL_STATE_READY, Model

SPEECH = ("Synthesize", "StreamingSynthesize")
STATUSES = {
    pb.ACTIVITY_STEP_RECEIVING: "initializing",
    pb.ACTIVITY_STEP_QUEUED: "initializing",
    pb.ACTIVITY_STEP_LOADING: "initializing",
    pb.ACTIVITY_STEP_GENERATING: "generating_audio",
    pb.ACTIVITY_STEP_ENCODING: "finalizing",
    pb.ACTIVITY_STEP_FINISHED: "completed",
    pb.ACTIVITY_STEP_FAILED: "error",
    pb.ACTIVITY_STEP_CANCELLED: "error",
}
STEPS = {
    pb.ACTIVITY_STEP_RECEIVING: "Receiving the request",
    pb.ACTIVITY_STEP_QUEUED: "Waiting for a free place",
    pb.ACTIVITY_STEP_LOADING: "Loading the model",
    pb.ACTIVITY_STEP_GENERATING: "Splitting text",
    pb.ACTIVITY_STEP_ENCODING: "Finishing the audio",
    pb.ACTIVITY_STEP_FINISHED: "Completed",
    pb.ACTIVITY_STEP_FAILED: "Failed",
    pb.ACTIVITY_STEP_CANCELLED: "Cancelled by the caller",
}
MEGABYTE = 1 << 20
NO_ALERTS: dict[str, Any] = {"has_alerts": False, "alert_count": 0, "alerts": []}
"""The server looks after its memory itself."""


def speech(activities: Sequence[Activity]) -> tuple[Activity | None, list[Activity]]:
    """The current request, and those that have ended, the last first; transcripts are left out."""
    spoken = [activity for activity in activities if activity.method in SPEECH]
    current = next((activity for activity in spoken if not activity.status), None)
    return current, [activity for activity in spoken if activity.status]


def progress(current: Activity | None) -> dict[str, Any]:
    """Returns the progress of the current request."""
    if current is None:
        return {
            "is_processing": False,
            "status": "idle",
            "current_step": "",
            "current_chunk": 0,
            "total_chunks": 0,
            "progress_percentage": 0.0,
            "duration_seconds": 0.0,
            "estimated_completion": None,
            "text_preview": "",
        }
    return {
        "is_processing": True,
        "status": STATUSES[current.step],
        **_chunks(current),
        "duration_seconds": _seconds(current),
        "text_preview": current.text_preview,
    }


def _chunks(activity: Activity) -> dict[str, Any]:
    known = activity.HasField("estimated_end_time")
    return {
        "current_step": _step(activity),
        "current_chunk": activity.piece,
        "total_chunks": activity.piece_count,
        "progress_percentage": 100.0 * activity.piece / activity.piece_count if activity.piece_count else 0.0,
        "estimated_completion": activity.estimated_end_time.ToMilliseconds() / 1000 if known else None,
    }


def _step(activity: Activity) -> str:
    if activity.step == pb.ACTIVITY_STEP_GENERATING and activity.piece:
        of = f"/{activity.piece_count}" if activity.piece_count else ""
        return f"Streaming audio for chunk {activity.piece}{of}"
    return STEPS[activity.step]


def described(activity: Activity) -> dict[str, Any]:
    """Returns one request, active or not."""
    return {
        "request_id": activity.request_id,
        "status": STATUSES[activity.step],
        "start_time": activity.start_time.ToMilliseconds() / 1000,
        "duration_seconds": _seconds(activity),
        "text_length": activity.characters,
        "text_preview": activity.text_preview,
        "voice_source": activity.voice,
        "parameters": {"model": activity.model},
        "progress": _chunks(activity),
        "error_message": activity.reason or None,
    }


def status(current: Activity | None, totals: Statistics) -> dict[str, Any]:
    """The current request in detail."""
    if current is None:
        idle = {"status": "idle", "is_processing": False, "message": "No active requests"}
        return {**idle, "total_requests": totals.requests}
    return {
        **described(current),
        "is_processing": True,
        "total_requests": totals.requests + totals.active,
    }


def history(ended: Sequence[Activity]) -> dict[str, Any]:
    """Returns the texts that were spoken lately."""
    return {"request_history": [described(activity) for activity in ended], "total_records": len(ended)}


def statistics(totals: Statistics) -> dict[str, Any]:
    """Returns totals since the server's start; callers who left are neither successes nor errors."""
    completed = totals.requests - totals.failures - totals.cancellations
    judged = completed + totals.failures
    return {
        "total_requests": totals.requests,
        "completed_requests": completed,
        "error_requests": totals.failures,
        "cancelled_requests": totals.cancellations,
        "success_rate": 100.0 * completed / judged if judged else 0.0,
        "average_duration_seconds": totals.average_duration.ToMilliseconds() / 1000,
        "average_text_length": totals.characters / totals.requests if totals.requests else 0.0,
        "is_processing": totals.active > 0,
    }


def memory(found: Memory) -> dict[str, float]:
    """Returns the memory in megabytes; unknown values are left out."""
    device = sum(model.device_bytes for model in found.models)
    sizes = {"gpu_memory_allocated_mb": device}
    if found.HasField("used_bytes"):
        sizes["cpu_memory_mb"] = found.used_bytes
    if found.HasField("free_bytes"):
        sizes["cpu_memory_free_mb"] = found.free_bytes
    if free := [one.free_bytes for one in found.devices if one.HasField("free_bytes")]:
        sizes["gpu_memory_free_mb"] = sum(free)
    return {name: round(size / MEGABYTE, 2) for name, size in sizes.items()}


def freed(found: FreeMemoryResponse) -> dict[str, Any]:
    """Returns what has gone, and the memory after that."""
    after = memory(found.after)
    return {
        "memory_info": after,
        "memory_info_before": memory(found.before),
        "memory_info_after_cleanup": after,
        "cleanup_performed": True,
        "collected_objects": len(found.unloaded_models),
        "unloaded_models": list(found.unloaded_models),
    }


def speaker(models: Sequence[Model]) -> Model | None:
    """Returns the model for requests that name none."""
    return next((model for model in models if model.kind == MODEL_KIND_SYNTHESIZER), None)


def capabilities(model: Model) -> dict[str, Any]:
    """Returns the model's device, and the options that have an effect on it."""
    return {"name": model.name, "device": model.device, "options": list(model.options)}


def is_loaded(model: Model | None) -> bool:
    """Tells if the model is in memory."""
    return model is not None and model.state == MODEL_STATE_READY


def _seconds(activity: Activity) -> float:
    return activity.elapsed.ToMilliseconds() / 1000
