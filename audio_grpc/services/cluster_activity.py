"""Shares activities with the other servers on a shared database."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from audio_grpc.errors import StorageFailed
from audio_grpc.storage import ActivityStore, KeyActivities
from audio_grpc.telemetry.activities import Activities
from audio_grpc.v1.activity_pb2 import Activity, ListActivitiesResponse

TELL_SECONDS = 1.0
"""The seconds between two writes while calls begin and end, and for which what was read stays valid."""
ALIVE_SECONDS = 5.0
"""The seconds between two writes while no call begins or ends."""
PAUSE_SECONDS = 10.0
"""The seconds to wait before a database that failed is used again."""

Look = Callable[[str], list[Activity]]


class ClusterActivity:
    """Writes what ``look`` sees of this server for each key, and reads what the others wrote.

    A database that fails leaves everybody with their own activities. None for the id of a key means all keys.
    """

    def __init__(self, board: ActivityStore, activities: Activities) -> None:
        self._board = board
        self._activities = activities
        self._read: dict[str | None, tuple[float, KeyActivities]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._has_told = False
        self._writing = asyncio.Lock()

    def start(self, look: Look) -> None:
        """Tell the others from now on."""
        self._telling = asyncio.create_task(self._tell(look), name="publish activity")

    async def stop(self) -> None:
        """Stops writing, and deletes this server's activities from the database."""
        if self._telling is None:
            return
        async with self._writing:  # what is being written cannot be taken back
            self._telling.cancel()
        await asyncio.gather(self._telling, return_exceptions=True)
        if self._has_told:
            with suppress(StorageFailed):  # and logged; it is taken for dead soon
                await self._board.write({})

    async def joined(self, own: list[Activity], key_id: str | None) -> list[Activity]:
        """Returns ``own`` and the other servers' activities of a key, without those that were cleared."""
        board = await self._board_of(key_id)
        messages = (ListActivitiesResponse.FromString(snapshot) for snapshot in board.snapshots)
        seen = [*own, *(one for message in messages for one in message.activities)]
        return [one for one in seen if not one.status or ended_at(one) > board.cleared.get(one.key_id, 0.0)]

    async def clear(self, key_id: str | None) -> int:
        """Have the others forget what has ended for a key; how many there were."""
        ended = [one for one in await self.joined([], key_id) if one.status]
        keys = {one.key_id for one in ended} | self._activities.key_ids if key_id is None else {key_id}
        with suppress(StorageFailed):  # and logged
            if keys:
                await self._board.clear(keys)
            self._read.clear()
        return len(ended)

    async def _board_of(self, key_id: str | None) -> KeyActivities:
        until, board = self._read.get(key_id, (0.0, KeyActivities([], {})))
        if time.monotonic() < until:
            return board
        good_for = TELL_SECONDS
        try:
            board = await self._board.read(key_id)
        except StorageFailed:  # and logged
            good_for = PAUSE_SECONDS
        self._read[key_id] = (time.monotonic() + good_for, board)
        return board

    async def _tell(self, look: Look) -> None:
        while True:
            changes = self._activities.changes
            pause = TELL_SECONDS
            try:
                if snapshots := {key_id: _snapshot(look(key_id)) for key_id in self._activities.key_ids}:
                    self._has_told = True
                    async with self._writing:
                        await self._board.write(snapshots)
            except StorageFailed:  # and logged
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause)
            await self._activities.happening(changes, ALIVE_SECONDS)


def _snapshot(activities: list[Activity]) -> bytes:
    return ListActivitiesResponse(activities=activities).SerializeToString()


def ended_at(activity: Activity) -> float:
    """Returns the end of an activity in seconds since 1970; now for an active one."""
    return (activity.start_time.ToMicroseconds() + activity.elapsed.ToMicroseconds()) / 1e6
