"""The status endpoints of Chatterbox's API."""

import asyncio
from typing import Any

import pytest

from audio_grpc.text import split
from tests.gateway.conftest import Door, Open
from tests.gateway.test_errors import error_of

TEXT = "This is said in pieces. And so is that, which is a little longer, and follows. " * 30
LONG = TEXT * 20
"""A text too long for the buffers on the way to a caller who does not read."""
SLOW = {"read_ahead": 1, "concurrency": 1}
IDLE = {
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


async def ended(door: Door, status: str) -> dict[str, Any]:
    """The history, once its first record has that status."""
    while True:
        found: dict[str, Any] = (await door.http.get("/status/history")).json()
        if found["request_history"] and found["request_history"][0]["status"] == status:
            return found
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/status/progress", "/progress", "/v1/status/progress"])
async def test_progress_is_told_while_it_is_made(open_door: Open, path: str) -> None:
    door = await open_door(**SLOW)
    assert (await door.http.get(path)).json() == IDLE
    async with door.http.stream("POST", "/v1/audio/speech/stream", json={"input": LONG}) as reply:
        sound = reply.aiter_raw()  # held, as a stream that nobody holds is closed
        assert await anext(sound)
        progress = (await door.http.get(path)).json()
        while not progress["total_chunks"]:  # counted after the first sound, which was just sent
            progress = (await door.http.get(path)).json()
        assert set(progress) == set(IDLE)
        total = len(list(split(LONG, target_size=200)))
        chunk = progress["current_chunk"]
        assert (progress["is_processing"], progress["status"]) == (True, "generating_audio")
        assert progress["current_step"] == f"Streaming audio for chunk {chunk}/{total}"
        assert progress["total_chunks"] == total
        assert progress["progress_percentage"] == pytest.approx(100 * chunk / total)
        assert progress["text_preview"] == LONG[:100]
        assert progress["duration_seconds"] > 0
    await ended(door, "error")  # its caller has left
    assert (await door.http.get(path)).json() == IDLE


async def test_polling_sees_the_progress_grow_and_end(open_door: Open) -> None:
    door = await open_door(**SLOW)
    percentages: list[float] = []
    estimates: list[float] = []
    async with door.http.stream("POST", "/tts/stream", json={"input": TEXT}) as reply:
        async for _ in reply.aiter_raw(1 << 17):
            progress = (await door.http.get("/status/progress")).json()
            if progress["is_processing"]:
                percentages.append(progress["progress_percentage"])
                estimates += [progress["estimated_completion"]] if progress["estimated_completion"] else []
    assert percentages == sorted(percentages)
    assert percentages[0] < percentages[-1]
    assert all(estimate > 1_700_000_000 for estimate in estimates)
    assert estimates
    await ended(door, "completed")
    assert (await door.http.get("/status/progress")).json() == IDLE


async def test_previews_are_left_out_where_they_are_switched_off(open_door: Open) -> None:
    door = await open_door(activity_previews=False, **SLOW)
    async with door.http.stream("POST", "/tts/stream", json={"input": LONG}) as reply:
        sound = reply.aiter_raw()  # held, as a stream that nobody holds is closed
        assert await anext(sound)
        assert (await door.http.get("/status/progress")).json()["text_preview"] == ""


@pytest.mark.parametrize("path", ["/status", "/processing", "/processing/status", "/chatterbox/v1/status"])
async def test_the_status_has_the_details(open_door: Open, path: str) -> None:
    door = await open_door(**SLOW)
    idle = (await door.http.get(path)).json()
    assert (idle["status"], idle["is_processing"], idle["total_requests"]) == ("idle", False, 0)
    headers = {"x-request-id": "mine"}
    async with door.http.stream("POST", "/tts", json={"input": LONG}, headers=headers) as reply:
        sound = reply.aiter_raw()  # held, as a stream that nobody holds is closed
        assert await anext(sound)
        status = (await door.http.get(path)).json()
        while not status["progress"]["total_chunks"]:
            status = (await door.http.get(path)).json()
    assert (status["request_id"], status["text_length"]) == ("mine", len(LONG))
    assert status["voice_source"] == "tone"
    assert status["progress"]["total_chunks"] > 1
    assert status["total_requests"] == 1


async def test_history_and_statistics(open_door: Open) -> None:
    door = await open_door()
    assert (await door.http.get("/status/history")).json() == {
        "request_history": [], "total_records": 0, "limit": 5
    }  # fmt: skip
    for text in ("one", "two!"):
        await door.http.post("/tts", json={"input": text}, headers={"x-request-id": text.strip("!")})
        await ended(door, "completed")
    await door.http.post("/tts", json={"input": "x", "voice": "nobody"})
    history = await ended(door, "error")
    shown = [(one["text_preview"], one["status"], one["error_message"]) for one in history["request_history"]]
    assert shown == [
        ("x", "error", "VOICE_NOT_FOUND"),
        ("two!", "completed", None),
        ("one", "completed", None),
    ]
    assert (await door.http.get("/history?limit=1")).json()["total_records"] == 1
    for path in ("/status/statistics", "/stats", "/v1/status/statistics"):
        totals = (await door.http.get(path)).json()
        assert (totals["total_requests"], totals["completed_requests"], totals["error_requests"]) == (3, 2, 1)
        assert totals["success_rate"] == pytest.approx(200 / 3)
        assert totals["average_text_length"] == pytest.approx(8 / 3)
        assert totals["average_duration_seconds"] > 0
    for path in ("/status/history/clear", "/chatterbox/status/history/clear?confirm=false"):
        assert "confirm=true" in (await door.http.post(path)).json()["message"]
    assert (await door.http.get("/status/history")).json()["total_records"] == 3
    assert (await door.http.post("/status/history/clear?confirm=true")).json()["cleared"] == 3
    assert (await door.http.get("/status/history")).json()["total_records"] == 0
    assert (await door.http.get("/stats")).json()["total_requests"] == 3


@pytest.mark.parametrize("limit", ["0", "101", "many"])
async def test_a_limit_that_is_none(door: Door, limit: str) -> None:
    reply = await door.http.get(f"/status/history?limit={limit}")
    assert (reply.status_code, error_of(reply)["param"]) == (400, "limit")


async def test_memory_and_its_cleanup(open_door: Open) -> None:
    door = await open_door(options={"weight_bytes": 60_000_000})
    await door.http.post("/tts", json={"input": "x"})
    await ended(door, "completed")
    found = (await door.http.get("/memory")).json()
    assert found["memory_info"]["cpu_memory_mb"] > 57
    assert found["cleanup_performed"] is False
    cleaned = (await door.http.get("/memory?cleanup=true")).json()
    assert (cleaned["cleanup_performed"], cleaned["unloaded_models"]) == (True, ["speaker"])
    freed = cleaned["memory_info_before"]["cpu_memory_mb"] - cleaned["memory_info"]["cpu_memory_mb"]
    assert freed > 50
    assert cleaned["memory_info_after_cleanup"] == cleaned["memory_info"]
    assert (found["request_counter"], cleaned["request_counter"]) == (1, 1)
    assert (await door.http.get("/memory?cleanup=perhaps")).status_code == 400
    for path in ("/v1/memory/reset", "/chatterbox/memory/reset?confirm=false"):
        await door.http.post("/tts", json={"input": "x"})  # loads the model again
        await ended(door, "completed")
        refused = await door.http.post(path)
        assert (refused.status_code, error_of(refused)["param"]) == (400, "confirm")
        reset = (await door.http.post(f"{path.partition('?')[0]}?confirm=true")).json()
        assert (reset["status"], reset["unloaded_models"]) == ("reset", ["speaker"])


async def test_what_there_is(door: Door) -> None:
    get = door.http.get
    assert (await get("/ping")).json()["status"] == "ok"
    health = (await get("/health")).json()
    assert (health["status"], health["model_loaded"]) == ("healthy", False)
    await door.http.post("/tts", json={"input": "x"})
    assert (await get("/v1/health")).json()["model_loaded"] is True
    info = (await get("/info")).json()
    assert info["statistics"]["total_requests"] + info["tts_status"]["total_requests"] >= 1
    config = (await get("/config")).json()
    assert config["defaults"]["streaming_chunk_size"] == 200
    assert config["model"]["name"] == "speaker"
    models = (await get("/models")).json()
    assert models == (await get("/v1/models")).json()
    assert (await get("/languages")).json()["count"] == 1
    endpoints = (await get("/endpoints")).json()
    speech = next(one for one in endpoints["mappings"] if one["primary"] == "/audio/speech")
    assert (speech["method"], speech["aliases"]) == ("POST", ["/tts"])
    document = (await get("/chatterbox/openapi.json")).json()
    critical = {
        "/audio/speech/stream",
        "/v1/audio/speech",
        "/v1/audio/speech/upload",
        "/health",
        "/v1/models",
    }
    assert critical <= set(document["paths"])
    assert document["servers"] == [{"url": "/chatterbox"}], "below which they are"
    for page in ("/docs", "/chatterbox/v1/docs", "/chatterbox/redoc"):
        assert (await get(page, follow_redirects=True)).status_code == 200


async def test_every_endpoint_that_is_listed_is_there(door: Door) -> None:
    for mapping in (await door.http.get("/endpoints")).json()["mappings"]:
        for path in (mapping["primary"], *mapping["aliases"]):
            for prefix in ("", "/v1", "/chatterbox", "/chatterbox/v1"):
                reply = await door.http.request(
                    mapping["method"], prefix + path.replace("{", "").replace("}", "")
                )
                told = reply.json() if reply.headers["content-type"] == "application/json" else {}
                assert "see /docs" not in str(told.get("error", "")), path


async def test_an_unreachable_server_is_not_healthy(open_door: Open) -> None:
    door = await open_door()
    await door.server.stop(0)
    reply = await door.http.get("/health")
    assert (reply.status_code, reply.json()["status"]) == (503, "unavailable")
    progress = await door.http.get("/status/progress")
    assert progress.status_code == 503
