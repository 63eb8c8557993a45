"""Past requests over HTTP."""

import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from tests.eventually import eventually
from tests.gateway.conftest import Door, Open
from tests.gateway.test_errors import error_of
from tests.gateway.test_speech import TEXT
from tests.gateway.test_transcriptions import RECORDING, posted

KEEPING = {"history": True, "history_audio": "all", "history_texts": True}


async def kept(door: Door, count: int, **query: Any) -> list[dict[str, Any]]:
    """The entries, once there are so many."""

    entries: list[dict[str, Any]] = []

    async def enough() -> bool:
        entries[:] = (await listed(door, **query))["data"]
        return len(entries) >= count

    await eventually(enough)
    return entries


async def listed(door: Door, **query: Any) -> dict[str, Any]:
    answer = await door.http.get("/v1/past-requests", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def spoken(door: Door, response_format: str) -> bytes:
    speech = await door.openai.audio.speech.create(
        model="tts-1",
        voice="tone",
        input=TEXT,
        response_format=response_format,  # type: ignore[arg-type]
    )
    return speech.content


async def audio(door: Door, entry: dict[str, Any], **query: Any) -> httpx2.Response:
    return await door.http.get(entry["audio"]["url"], params=query)


async def test_speech_is_listed_played_and_downloaded(open_door: Open) -> None:
    door = await open_door(**KEEPING)
    sound = await spoken(door, "mp3")
    (entry,) = await kept(door, 1)
    assert (entry["method"], entry["model"], entry["voice"], entry["status"]) == (
        "Synthesize",
        "speaker",
        "tone",
        "OK",
    )
    assert (entry["text"], entry["options"]["encoding"]) == (TEXT, "AUDIO_ENCODING_MP3")
    assert 0 < time.time() - entry["created"] < 60
    assert entry["audio"] == {"media_type": "audio/mpeg", "url": f"/v1/past-requests/{entry['id']}/audio"}
    assert (await door.http.get(f"/v1/past-requests/{entry['id']}")).json() == entry
    playing = await audio(door, entry)
    assert playing.content == sound
    assert playing.headers["content-type"] == "audio/mpeg"
    assert playing.headers["content-disposition"] == f'inline; filename="{entry["id"]}.mp3"'
    assert playing.headers["x-content-type-options"] == "nosniff"
    saving = await audio(door, entry, download=True)
    assert saving.content == sound
    assert saving.headers["content-disposition"] == f'attachment; filename="{entry["id"]}.mp3"'


async def test_bare_samples_are_played_as_wav(open_door: Open) -> None:
    door = await open_door(**KEEPING)
    samples = await spoken(door, "pcm")
    (entry,) = await kept(door, 1)
    playing = await audio(door, entry)
    assert playing.headers["content-type"] == entry["audio"]["media_type"] == "audio/wav"
    assert playing.content[:4] == b"RIFF"
    assert playing.content[44:] == samples


async def test_what_a_caller_sent_is_never_shown_as_anything_but_sound(open_door: Open) -> None:
    door = await open_door(**KEEPING)
    page = b"<html><script>alert(1)</script></html>"
    assert (await posted(door, [("model", "listener")], page)).status_code == 400
    assert (await posted(door, [("model", "listener")], RECORDING)).status_code == 200
    recording, wrong = await kept(door, 2)
    assert (recording["status"], recording["audio"]["media_type"]) == ("OK", "audio/flac")
    assert (await audio(door, recording)).content == RECORDING
    assert (wrong["status"], wrong["reason"]) == ("INVALID_ARGUMENT", "AUDIO_UNDECODABLE")
    shown = await audio(door, wrong)
    assert shown.content == page
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"] == f'attachment; filename="{wrong["id"]}.bin"'


async def test_pages_filters_and_forgetting(open_door: Open) -> None:
    door = await open_door(**KEEPING)
    for number in range(3):
        await spoken(door, "wav")
        await kept(door, number + 1)
    first = await listed(door, limit=2)
    second = await listed(door, limit=2, after=first["next"])
    assert (len(first["data"]), len(second["data"]), second["next"]) == (2, 1, None)
    oldest = second["data"][0]
    assert (await listed(door, status="INTERNAL"))["data"] == []
    assert [one["id"] for one in await kept(door, 2, since=first["data"][1]["created"])] == [
        one["id"] for one in first["data"]
    ]
    deleted = await door.http.delete(f"/v1/past-requests/{oldest['id']}")
    assert deleted.json() == {"deleted": 1}
    again = await door.http.delete(f"/v1/past-requests/{oldest['id']}")
    assert (again.status_code, error_of(again)["code"]) == (404, "request_not_found")
    assert (await audio(door, oldest)).status_code == 404
    assert (await door.http.delete("/v1/past-requests")).status_code == 400
    assert (await door.http.delete("/v1/past-requests", params={"before": time.time()})).json() == {
        "deleted": 2
    }
    assert (await listed(door))["data"] == []


async def test_a_server_that_keeps_nothing_says_so(door: Door) -> None:
    await spoken(door, "wav")
    assert await listed(door) == {"object": "list", "data": [], "next": None, "is_kept": False}


async def test_keys_see_their_own_over_http_too(open_door: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    (_, first), (_, second) = (key_file.add(keys, name, KeyLimits()) for name in ("alice", "bob"))
    door = await open_door(keys_file=keys, **KEEPING)
    door.http.headers["authorization"] = f"Bearer {first}"
    speech = {"model": "tts-1", "input": TEXT, "voice": "tone"}
    assert (await door.http.post("/v1/audio/speech", json=speech)).status_code == 200
    (entry,) = await kept(door, 1)
    assert entry["key"] == "alice"
    door.http.headers["authorization"] = f"Bearer {second}"
    assert (await listed(door))["data"] == []
    assert (await audio(door, entry)).status_code == 404
    del door.http.headers["authorization"]
    assert (await door.http.get("/v1/past-requests")).status_code == 401


@pytest.mark.parametrize(
    ("name", "value"), [("limit", 0), ("limit", 101), ("after", "?"), ("since", -1), ("status", "x")]
)
async def test_what_cannot_be_asked_for_is_named(door: Door, name: str, value: Any) -> None:
    answer = await door.http.get("/v1/past-requests", params={name: value})
    assert (answer.status_code, error_of(answer)["param"]) == (400, name)
