"""The history of long texts, as Chatterbox's page asks for it."""

from typing import Any

import httpx2
import pytest

from tests.gateway.chatterbox.test_long import LONG, UNKNOWN, ended, made
from tests.gateway.conftest import Door
from tests.gateway.test_errors import error_of

PREFIX = "/chatterbox"
HISTORY = f"{PREFIX}{LONG}-history"
TEXTS = (
    "Alpha is first. It is short.",
    "Beta comes second.",
    "Gamma is the third and the longest of all three.",
)


async def three(door: Door) -> list[str]:
    """Jobs that are completed, the oldest first."""
    found = []
    for text in TEXTS:
        found.append(await made(door, input=text))
        await ended(door, found[-1])
    return found


async def listed(door: Door, **query: Any) -> list[str]:
    reply = await door.http.get(HISTORY, params=query)
    assert reply.status_code == 200, reply.text
    return [job["text_preview"].split()[0] for job in reply.json()["jobs"]]


async def test_the_history_is_sorted_and_selected(door: Door) -> None:
    await three(door)
    assert await listed(door) == ["Gamma", "Beta", "Alpha"]
    assert await listed(door, sort="created_asc") == ["Alpha", "Beta", "Gamma"]
    assert await listed(door, sort="name_desc", limit=1, offset=1) == ["Beta"]
    assert await listed(door, sort="size_asc") == ["Beta", "Alpha", "Gamma"]
    assert await listed(door, search="ALPHA") == ["Alpha"]
    assert await listed(door, status="failed") == []
    assert await listed(door, end_date="2020-01-01") == []
    assert len(await listed(door, start_date="2020-01-01T00:00:00Z", end_date="9999-12-31")) == 3
    whole = (await door.http.get(HISTORY)).json()
    assert (whole["total_jobs"], whole["active_jobs"], whole["completed_jobs"]) == (3, 0, 3)
    item = whole["jobs"][0]
    assert (item["retry_count"], item["is_archived"], item["tags"]) == (0, False, [])
    sound = await door.http.get(item["download_url"])
    assert sound.status_code == 200


@pytest.mark.parametrize("query", ["sort=best", "limit=0", "limit=101", "offset=-1", "status=lost"])
async def test_a_query_that_cannot_be(door: Door, query: str) -> None:
    reply = await door.http.get(f"{HISTORY}?{query}")
    assert (reply.status_code, error_of(reply)["param"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "99999-01-01"])
async def test_a_moment_that_is_none(door: Door, moment: str) -> None:
    reply = await door.http.get(HISTORY, params={"start_date": moment})
    assert (reply.status_code, error_of(reply)["param"]) == (400, "start_date")


async def test_totals(door: Door) -> None:
    empty = (await door.http.get(f"{HISTORY}/stats")).json()
    assert (empty["total_jobs"], empty["success_rate_percentage"], empty["most_used_voice"]) == (0, 0.0, None)
    await three(door)
    found = (await door.http.get(f"{HISTORY}/stats")).json()
    assert (found["total_jobs"], found["completed_jobs"], found["failed_jobs"]) == (3, 3, 0)
    assert found["success_rate_percentage"] == 100.0
    assert found["total_audio_duration_seconds"] > 0
    assert sum(found["jobs_by_month"].values()) == 3


async def test_details(door: Door) -> None:
    job_id, *_ = await three(door)
    found = (await door.http.get(f"{PREFIX}{LONG}/{job_id}/details")).json()
    assert found["metadata"]["job_id"] == job_id
    assert found["input_text"] == TEXTS[0]
    assert found["error_log"] == []
    assert found["performance_metrics"]["success_rate"] == 1.0


async def test_clearing_wants_to_be_confirmed(door: Door) -> None:
    await three(door)
    refused = await door.http.delete(HISTORY)
    assert (refused.status_code, error_of(refused)["param"]) == (400, "confirm")
    assert len(await listed(door)) == 3
    cleared = (await door.http.delete(f"{HISTORY}?confirm=true")).json()
    assert (cleared["cleared_count"], cleared["deleted_count"], cleared["failed_count"]) == (3, 3, 0)
    assert await listed(door) == []


async def act(door: Door, **body: Any) -> httpx2.Response:
    return await door.http.post(f"{PREFIX}{LONG}/bulk", json=body)


async def test_several_at_once(door: Door) -> None:
    first, second, _ = await three(door)
    assert (await act(door, job_ids=[first], action="delete", confirm=False)).status_code == 400
    assert len(await listed(door)) == 3
    told = (await act(door, job_ids=[first, UNKNOWN, "../x", second], action="delete", confirm=True)).json()
    assert (told["success_count"], told["failed_count"], told["total_count"]) == (2, 2, 4)
    assert told["failed_jobs"] == [UNKNOWN, "../x"]
    assert await listed(door) == ["Gamma"]
    wrong: tuple[dict[str, Any], ...]
    wrong = ({"job_ids": []}, {"job_ids": ["x"] * 101}, {"job_ids": ["x" * 65]}, {"action": "speak"})
    for body in wrong:
        reply = await act(door, **{"job_ids": ["x"], "action": "delete", "confirm": True, **body})
        assert reply.status_code == 422, body
    assert (await act(door, job_ids=["x"], action="archive", confirm=True)).status_code == 400


async def test_labels_are_refused_in_words(door: Door) -> None:
    job_id = await made(door)
    path = f"{PREFIX}{LONG}/{job_id}"
    reply = await door.http.patch(path, json={"display_name": "Mine"})
    assert (reply.status_code, error_of(reply)["code"]) == (400, "not_supported")
    assert (await door.http.patch(path, json={"is_archived": False})).json()["success"] is True
    assert (await door.http.patch(path, json={"tags": ["x" * 51]})).status_code == 422
    assert (await door.http.patch(f"{PREFIX}{LONG}/{UNKNOWN}", json={})).status_code == 404
    assert (await door.http.delete(f"{path}?action=delete")).status_code == 200
