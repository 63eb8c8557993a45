"""ActivityService."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import ServicerContext

from audio_grpc.convert import from_moment, from_seconds
from audio_grpc.runtime.model import State
from audio_grpc.runtime.models import Models
from audio_grpc.services.fields import given, seconds, within
from audio_grpc.telemetry.activities import KEPT, Activities
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.v1 import activity_pb2 as pb
from audio_grpc.v1.activity_pb2_grpc import ActivityServiceServicer

Context = ServicerContext[Any, Any]

DEFAULT_RECENT = 20
DEFAULT_INTERVAL_SECONDS, SHORTEST_INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS = 0.5, 0.05, 60.0
ENDS = {"OK": pb.ACTIVITY_STEP_FINISHED, "CANCELLED": pb.ACTIVITY_STEP_CANCELLED}


class ActivityReports(ActivityServiceServicer):
    """Tells callers what became of their calls; see :class:`Activities`."""

    def __init__(self, activities: Activities, models: Models) -> None:
        self._activities = activities
        self._models = models

    async def ListActivities(
        self, request: pb.ListActivitiesRequest, context: Context
    ) -> pb.ListActivitiesResponse:
        """Those of now."""
        return pb.ListActivitiesResponse(activities=self._look(_max_recent(request)))

    async def WatchActivities(
        self, request: pb.WatchActivitiesRequest, context: Context
    ) -> AsyncIterator[pb.WatchActivitiesResponse]:
        """Those of now, until the caller leaves or the server ends."""
        most = _max_recent(request)
        asked = within(
            "interval", seconds(request, "interval"), SHORTEST_INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS
        )
        interval = DEFAULT_INTERVAL_SECONDS if asked is None else asked
        async with aclosing(self._activities.moments(interval)) as moments:
            async for _ in moments:
                yield pb.WatchActivitiesResponse(activities=self._look(most))

    async def ClearActivities(
        self, request: pb.ClearActivitiesRequest, context: Context
    ) -> pb.ClearActivitiesResponse:
        """How many were forgotten."""
        return pb.ClearActivitiesResponse(cleared=self._activities.clear(current_call.get().key_id))

    async def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: Context
    ) -> pb.GetStatisticsResponse:
        """The totals of the caller."""
        key = current_call.get().key_id
        totals = self._activities.totals(key)
        return pb.GetStatisticsResponse(
            start_time=from_moment(self._activities.since),
            active=len(self._activities.active(key)),
            requests=totals.requests,
            failures=totals.failures,
            cancellations=totals.cancellations,
            characters=totals.characters,
            audio_in=from_seconds(totals.audio_seconds_in),
            audio_out=from_seconds(totals.audio_seconds_out),
            average_duration=from_seconds(totals.served_seconds / totals.served) if totals.served else None,
        )

    def _look(self, most: int) -> list[pb.Activity]:
        key = current_call.get().key_id
        calls = [*self._activities.active(key), *self._activities.recent(key, most)]
        return [_described(call, self._step(call)) for call in calls]

    def _step(self, call: Call) -> pb.ActivityStep.ValueType:
        if call.ended is not None:
            return ENDS.get(call.code, pb.ACTIVITY_STEP_FAILED)
        if not call.model:
            return pb.ACTIVITY_STEP_RECEIVING
        if call.began is None:
            loading = self._models.any(call.model).state is State.LOADING
            return pb.ACTIVITY_STEP_LOADING if loading else pb.ACTIVITY_STEP_QUEUED
        return pb.ACTIVITY_STEP_ENCODING if call.is_made else pb.ACTIVITY_STEP_GENERATING


def _described(call: Call, step: pb.ActivityStep.ValueType) -> pb.Activity:
    ended = call.ended is not None
    return pb.Activity(
        request_id=call.request_id,
        method=call.method,
        key=call.key,
        model=call.model,
        voice=call.voice,
        step=step,
        piece=call.piece,
        piece_count=call.piece_count,
        progress=1.0 if step == pb.ACTIVITY_STEP_FINISHED else call.progress,
        start_time=_at(call.started),
        elapsed=from_seconds(call.seconds),
        estimated_end_time=_in(call.remaining_seconds),
        characters=call.characters,
        audio_in=from_seconds(call.audio_seconds_in),
        audio_out=from_seconds(call.audio_seconds_out),
        text_preview=call.preview,
        status=call.code if ended else "",
        reason=call.reason,
    )


def _at(moment: float) -> Timestamp:
    """A moment of ``time.perf_counter`` on the calendar."""
    return from_moment(time.time() - (time.perf_counter() - moment))


def _in(remaining_seconds: float | None) -> Timestamp | None:
    return None if remaining_seconds is None else from_moment(time.time() + remaining_seconds)


def _max_recent(request: pb.ListActivitiesRequest | pb.WatchActivitiesRequest) -> int:
    asked: int | None = within("max_recent", given(request, "max_recent"), 0, KEPT)
    return DEFAULT_RECENT if asked is None else asked
