"""ActivityService."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import ServicerContext

from audio_grpc.convert import from_moment, from_seconds
from audio_grpc.runtime.model import State
from audio_grpc.runtime.models import Models
from audio_grpc.services.cluster_activity import TELL_SECONDS, ClusterActivity, ended_at
from audio_grpc.services.fields import given, seconds, within
from audio_grpc.services.pages import Place, page_of
from audio_grpc.telemetry.activities import KEPT, Activities
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.v1 import activity_pb2 as pb
from audio_grpc.v1.activity_admin_pb2 import ListAllActivitiesRequest, WatchAllActivitiesRequest
from audio_grpc.v1.activity_pb2_grpc import ActivityServiceServicer

Context = ServicerContext[Any, Any]

DEFAULT_RECENT = 20
DEFAULT_INTERVAL_SECONDS, SHORTEST_INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS = 0.5, 0.05, 60.0
ENDS = {"OK": pb.ACTIVITY_STEP_FINISHED, "CANCELLED": pb.ACTIVITY_STEP_CANCELLED}


class ActivityServicer(ActivityServiceServicer):
    """Tells callers what became of their calls; see :class:`Activities`."""

    def __init__(self, activities: Activities, models: Models, cluster: ClusterActivity | None) -> None:
        self._activities = activities
        self._models = models
        self._cluster = cluster
        self._epoch = time.time() - time.perf_counter()

    async def ListActivities(
        self, request: pb.ListActivitiesRequest, context: Context
    ) -> pb.ListActivitiesResponse:
        """Returns a page of the caller's active calls and the recent ones."""
        activities, following = await self.page(request, _key())
        return pb.ListActivitiesResponse(activities=activities, next_page_token=following)

    async def WatchActivities(
        self, request: pb.WatchActivitiesRequest, context: Context
    ) -> AsyncIterator[pb.WatchActivitiesResponse]:
        """Yields the caller's activities when they have changed, until it leaves or the server ends."""
        async with aclosing(self.watch(request, _key())) as looks:
            async for seen in looks:
                yield pb.WatchActivitiesResponse(activities=seen)

    async def ClearActivities(
        self, request: pb.ClearActivitiesRequest, context: Context
    ) -> pb.ClearActivitiesResponse:
        """Forgets the caller's ended activities; returns their number."""
        return pb.ClearActivitiesResponse(cleared=await self.clear(_key()))

    async def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: Context
    ) -> pb.GetStatisticsResponse:
        """The totals of the caller."""
        return pb.GetStatisticsResponse(statistics=self.statistics(_key()))

    async def watch(
        self, request: pb.WatchActivitiesRequest | WatchAllActivitiesRequest, key_id: str | None
    ) -> AsyncGenerator[list[pb.Activity], None]:
        """Yields the activities of a key when they have changed; None: of all keys."""
        most = _max_recent(request)
        asked = within(
            "interval", seconds(request, "interval"), SHORTEST_INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS
        )
        interval = DEFAULT_INTERVAL_SECONDS if asked is None else asked
        told: list[pb.Activity] | None = None
        idle_interval = TELL_SECONDS if self._cluster else None
        async with aclosing(self._activities.moments(interval, idle_interval)) as moments:
            async for _ in moments:
                if (seen := await self._look(most, key_id)) != told:
                    yield seen
                    told = seen

    async def clear(self, key_id: str | None) -> int:
        """Forgets the ended activities of a key, or of all for None; returns their number."""
        elsewhere = await self._cluster.clear(key_id) if self._cluster is not None else 0
        return elsewhere + self._activities.clear(key_id)

    def statistics(self, key_id: str | None) -> pb.Statistics:
        """Returns the totals of a key, or of all for None."""
        totals = self._activities.totals(key_id)
        return pb.Statistics(
            start_time=from_moment(self._activities.since),
            active=len(self._activities.active(key_id)),
            requests=totals.requests,
            failures=totals.failures,
            cancellations=totals.cancellations,
            characters=totals.characters,
            audio_in=from_seconds(totals.audio_seconds_in),
            audio_out=from_seconds(totals.audio_seconds_out),
            average_duration=from_seconds(totals.served_seconds / totals.served) if totals.served else None,
        )

    def of_this_server(self, key_id: str | None, most: int = DEFAULT_RECENT) -> list[pb.Activity]:
        """The active calls of a key, and the recent ones."""
        calls = [*self._activities.active(key_id), *self._activities.recent(key_id, most)]
        return [_described(call, self._step(call), self._epoch) for call in calls]

    async def page(
        self, request: pb.ListActivitiesRequest | ListAllActivitiesRequest, key_id: str | None
    ) -> tuple[list[pb.Activity], str]:
        """Returns a page of a key's activities and the next token; None: of all keys."""
        seen = await self._look(_max_recent(request), key_id)
        return page_of(((_place(one), one) for one in seen), request)

    async def _look(self, most: int, key_id: str | None) -> list[pb.Activity]:
        """Returns a key's activities on all known servers: the active, then ``most`` ended ones."""
        own = self.of_this_server(key_id, most)
        seen = own if self._cluster is None else await self._cluster.joined(own, key_id)
        return sorted(seen, key=_place)[: most + sum(not one.status for one in seen)]

    def _step(self, call: Call) -> pb.ActivityStep.ValueType:
        if call.ended is not None:
            return ENDS.get(call.code, pb.ACTIVITY_STEP_FAILED)
        if not call.model:
            return pb.ACTIVITY_STEP_RECEIVING
        if call.began is None:
            loading = self._models.any(call.model).state is State.LOADING
            return pb.ACTIVITY_STEP_LOADING if loading else pb.ACTIVITY_STEP_QUEUED
        return pb.ACTIVITY_STEP_ENCODING if call.is_made else pb.ACTIVITY_STEP_GENERATING


def _described(call: Call, step: pb.ActivityStep.ValueType, epoch: float) -> pb.Activity:
    """The call; ``epoch`` is when ``time.perf_counter`` was 0, in seconds since 1970."""
    ended = call.ended is not None
    return pb.Activity(
        request_id=call.request_id,
        method=call.method,
        key=call.key,
        key_id=call.key_id,
        model=call.model,
        voice=call.voice,
        step=step,
        piece=call.piece,
        piece_count=call.piece_count,
        progress=1.0 if step == pb.ACTIVITY_STEP_FINISHED else call.progress,
        start_time=from_moment(epoch + call.started),
        elapsed=from_seconds(call.seconds),
        estimated_end_time=_in(call.remaining_seconds),
        characters=call.characters,
        audio_in=from_seconds(call.audio_seconds_in),
        audio_out=from_seconds(call.audio_seconds_out),
        text_preview=call.preview,
        status=call.code if ended else "",
        reason=call.reason,
    )


def _place(activity: pb.Activity) -> Place:
    """Returns the place in a list: first the active, oldest first, then the ended, the last first."""
    if activity.status:
        return (1, -ended_at(activity), activity.request_id)
    return (0, activity.start_time.ToNanoseconds(), activity.request_id)


def _in(remaining_seconds: float | None) -> Timestamp | None:
    return None if remaining_seconds is None else from_moment(time.time() + remaining_seconds)


def _key() -> str:
    return current_call.get().key_id


def _max_recent(request: Any) -> int:
    asked: int | None = within("max_recent", given(request, "max_recent"), 0, KEPT)
    return DEFAULT_RECENT if asked is None else asked
