"""Chatterbox's library of voices."""

from urllib.parse import quote

import pytest

from tests.gateway.conftest import Door, Open
from tests.gateway.test_errors import error_of
from tests.gateway.test_speech import heard
from tests.gateway.test_transcriptions import RECORDING

FILES = {"voice_file": ("anna.flac", RECORDING, "audio/flac")}
CLONING = {"options": {"cloning": True}}


async def uploaded(door: Door, name: str = "Anna") -> None:
    reply = await door.http.post("/voices", data={"voice_name": name, "language": "en"}, files=FILES)
    assert (reply.status_code, reply.json()["voice"]["name"]) == (201, name)


@pytest.mark.parametrize("prefix", ["", "/v1", "/chatterbox", "/chatterbox/v1"])
async def test_a_voice_goes_through_its_life(open_door: Open, prefix: str) -> None:
    door = await open_door(**CLONING)
    http = door.http
    library = f"{prefix}/voices"
    made = await http.post(library, data={"voice_name": "Anna", "language": "en"}, files=FILES)
    assert (made.status_code, made.json()["voice"]["language"]) == (201, "en")
    await uploaded(door, "Bea")
    listed = (await http.get(library)).json()
    assert ([voice["name"] for voice in listed["voices"]], listed["count"]) == (["Bea", "Anna"], 2)
    aliased = await http.post(f"{library}/Anna/aliases", data={"alias": "narrator"})
    assert (aliased.status_code, aliased.json()["aliases"]) == (201, ["narrator"])
    assert (await http.get(f"{library}/narrator")).json()["voice"]["name"] == "Anna"
    renamed = await http.put(f"{library}/narrator", data={"new_name": "Anne"})
    assert renamed.json() == {
        "message": "Voice renamed successfully", "old_name": "narrator", "new_name": "Anne"
    }  # fmt: skip
    assert (await http.get(f"{library}/Anna")).status_code == 404
    found = (await http.get(f"{library}/Anne/aliases")).json()
    assert (found["voice_name"], found["aliases"], found["count"]) == ("Anne", ["narrator"], 1)
    names = (await http.get(f"{library}/all-names")).json()
    assert sorted(names["voice_names"]) == ["Anne", "Bea", "narrator"]
    for voice in ("Anne", "narrator"):
        reply = await http.post(f"{prefix}/tts", json={"input": "Hello.", "voice": voice})
        assert await heard(door, reply.content) == "Hello."
    gone = await http.delete(f"{library}/Anne/aliases/narrator")
    assert (gone.status_code, gone.json()["aliases"]) == (200, [])
    assert (await http.get(f"{library}/narrator")).status_code == 404
    assert (await http.delete(f"{library}/Anne")).json()["voice_name"] == "Anne"
    reply = await http.post(f"{prefix}/tts", json={"input": "Hello.", "voice": "Anne"})
    assert (reply.status_code, error_of(reply)["code"]) == (404, "voice_not_found")
    assert (await http.get(f"{prefix}/voice-library")).json()["count"] == 1


async def test_a_download_is_what_was_uploaded(open_door: Open) -> None:
    door = await open_door(**CLONING)
    await uploaded(door, 'An"na é')
    reply = await door.http.get('/voices/An"na é/download')
    assert (reply.content, reply.headers["content-type"]) == (RECORDING, "audio/flac")
    assert reply.headers["content-disposition"] == (
        "attachment; filename=\"voice.flac\"; filename*=UTF-8''An%22na%20%C3%A9.flac"
    )


async def test_the_default_voice_is_that_of_requests_without_one(open_door: Open) -> None:
    door = await open_door(options={"cloning": True, "wants_transcript": True})
    none = {"default_voice": None, "source": "model", "voice_info": None, "path": None}
    assert (await door.http.get("/voices/default")).json() == none
    sample = (await door.http.post("/tts", json={"input": "It is Anna. "})).content
    files = {"voice_file": ("anna.wav", sample)}
    assert (await door.http.post("/voices", data={"voice_name": "Anna"}, files=files)).status_code == 201
    chosen = await door.http.post("/voices/default", data={"voice_name": "Anna"})
    assert (chosen.status_code, chosen.json()["default_voice"]) == (200, "Anna")
    assert (await door.http.get("/default-voice")).json()["source"] == "voice_library"
    # This speaker first says what its sample says.
    for path, body in (("/tts", {}), ("/v1/audio/speech", {"model": "tts-1", "response_format": "wav"})):
        reply = await door.http.post(path, json={"input": "Hello.", **body})
        assert await heard(door, reply.content) == "It is Anna.Hello."
    named = await door.http.post("/tts", json={"input": "Hello.", "voice": "tone"})
    assert await heard(door, named.content) == "Hello."
    assert (await door.http.delete("/voices/default")).json()["default_voice"] is None
    plain = await door.http.post("/tts", json={"input": "Hello."})
    assert await heard(door, plain.content) == "Hello."


async def test_a_default_voice_that_was_deleted_is_none(open_door: Open) -> None:
    door = await open_door(**CLONING)
    await uploaded(door)
    await door.http.post("/voices/default", data={"voice_name": "Anna"})
    await door.http.delete("/voices/Anna")
    assert (await door.http.get("/voices/default")).json()["default_voice"] is None
    assert (await door.http.post("/tts", json={"input": "x"})).status_code == 200


async def test_names_are_taken_once(open_door: Open) -> None:
    door = await open_door(**CLONING)
    await uploaded(door)
    await uploaded(door, "Bea")
    assert (await door.http.post("/voices/Anna/aliases", data={"alias": "B"})).status_code == 201
    for name in ("Anna", "Bea", "B", "tone", "alloy"):
        taken = await door.http.post("/voices", data={"voice_name": name}, files=FILES)
        assert (taken.status_code, error_of(taken)["code"]) == (409, "voice_exists"), name
        alias = await door.http.post("/voices/Anna/aliases", data={"alias": name})
        assert alias.status_code == 409, name
        if name != "Anna":
            renamed = await door.http.put("/voices/Anna", data={"new_name": name})
            assert renamed.status_code == 409, name
    # The names of a voice that is gone are free again.
    await door.http.delete("/voices/Anna")
    await uploaded(door, "B")


async def test_no_name_is_a_path(open_door: Open) -> None:
    door = await open_door(**CLONING)
    await uploaded(door, "../../etc/passwd")
    folder = door.server.settings.voices_path
    assert folder is not None
    assert {len(path.name) for path in folder.iterdir() if not path.name.startswith(".")} == {64}
    for path in ("..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "voice.json", ".default", ".unfinished"):
        for asked in (f"/voices/{path}", f"/voices/{path}/download", f"/chatterbox/voices/{path}/download"):
            reply = await door.http.get(asked)
            assert reply.status_code == 404, asked
            assert b"root:" not in reply.content


async def test_unknown_voices(open_door: Open) -> None:
    door = await open_door(**CLONING)
    await uploaded(door)
    http = door.http
    replies = [
        await http.get("/voices/nobody"),
        await http.get("/voices/nobody/download"),
        await http.get("/voices/nobody/aliases"),
        await http.delete("/voices/nobody"),
        await http.put("/voices/nobody", data={"new_name": "x"}),
        await http.post("/voices/nobody/aliases", data={"alias": "x"}),
        await http.delete("/voices/Anna/aliases/nobody"),
        await http.post("/voices/default", data={"voice_name": "nobody"}),
    ]
    for reply in replies:
        assert (reply.status_code, error_of(reply)["code"]) == (404, "voice_not_found"), reply.url


async def test_uploads_that_cannot_be(open_door: Open) -> None:
    door = await open_door(**CLONING)
    post = door.http.post
    large = {"voice_file": ("a.wav", bytes((10 << 20) + 1))}
    bad = [
        (await post("/voices", data={"voice_name": "A"}, files=large), 413, "voice_file"),
        (await post("/voices", data={"voice_name": "A"}, files={"voice_file": b"no"}), 400, "voice_file"),
        (await post("/voices", data={"voice_name": "A"}), 400, "voice_file"),
        (await post("/voices", files=FILES), 400, "voice_name"),
        (await post("/voices", data={"voice_name": " "}, files=FILES), 400, "voice_name"),
        (await post("/voices", data={"voice_name": "x" * 65}, files=FILES), 400, "voice_name"),
        (await post("/voices", data={"voice_name": "A", "language": "?"}, files=FILES), 400, "language"),
    ]
    for reply, status, param in bad:
        assert (reply.status_code, error_of(reply)["param"]) == (status, param), reply.text
    await uploaded(door)
    renamed = await door.http.put("/voices/Anna", data={"new_name": "\x07"})
    assert (renamed.status_code, error_of(renamed)["param"]) == (400, "new_name")
    assert error_of(await door.http.put("/voices/Anna", data={"name": "x"}))["param"] == "new_name"
    alias = await post("/voices/Anna/aliases", data={"alias": "x" * 65})
    assert (alias.status_code, error_of(alias)["param"]) == (400, "alias")


async def test_without_a_model_that_clones_a_voice_is_refused(door: Door) -> None:
    reply = await door.http.post("/voices", data={"voice_name": "A"}, files=FILES)
    assert (reply.status_code, error_of(reply)["code"]) == (400, "cloning_unavailable")
    assert (await door.http.get("/voices")).json() == {"voices": [], "count": 0}


async def test_a_clean_up_removes_what_has_lost_its_sample(open_door: Open) -> None:
    door = await open_door(**CLONING)
    for name in ("Anna", "Bea"):
        await uploaded(door, name)
    await door.http.post("/voices/Anna/aliases", data={"alias": "A"})
    assert (await door.http.post("/voices/cleanup")).json()["removed_voices"] == []
    folder = door.server.settings.voices_path
    assert folder is not None
    lost = (await door.http.get("/voices/Anna")).json()["voice"]["id"]
    next(folder.glob(f"*/{lost}.sample")).unlink()
    cleaned = (await door.http.post("/voices/cleanup")).json()
    assert (cleaned["removed_voices"], cleaned["count"]) == (["A", "Anna"], 2)
    assert [voice["name"] for voice in (await door.http.get("/voices")).json()["voices"]] == ["Bea"]


async def test_languages(neural: Door) -> None:
    found = (await neural.http.get("/languages")).json()
    assert {"code": "en-US", "name": "English"} in found["languages"]
    assert found["count"] == len(found["languages"])


async def test_what_is_told_of_a_voice(open_door: Open) -> None:
    door = await open_door(**CLONING)
    await uploaded(door)
    voice = (await door.http.get("/chatterbox/voices/Anna")).json()["voice"]
    assert voice["file_size"] == len(RECORDING)
    assert (voice["filename"], voice["original_filename"]) == ("Anna.flac", "Anna.flac")
    assert (voice["file_extension"], voice["exists"], voice["language"]) == (".flac", True, "en")
    download = await door.http.get(f"/chatterbox/{voice['path']}")
    assert download.content == RECORDING
    assert (await door.http.get("/chatterbox/voices")).json()["voices"] == [voice]


@pytest.mark.parametrize("name", ["a/b", "/a", "a/", "../x", "default/x"])
async def test_a_name_may_have_slashes(open_door: Open, name: str) -> None:
    door = await open_door(**CLONING)
    await uploaded(door, name)
    voice = f"/chatterbox/voices/{quote(name, safe='')}"
    assert (await door.http.get(voice)).json()["voice"]["name"] == name
    assert (await door.http.get(f"{voice}/download")).content == RECORDING
    added = await door.http.post(f"{voice}/aliases", data={"alias": "x/y"})
    assert added.json()["aliases"] == ["x/y"]
    removed = await door.http.delete(f"{voice}/aliases/{quote('x/y', safe='')}")
    assert removed.json()["aliases"] == []
    assert (await door.http.put(voice, data={"new_name": f"{name}/z"})).json()["new_name"] == f"{name}/z"
    assert (await door.http.delete(f"/chatterbox/voices/{quote(f'{name}/z', safe='')}")).status_code == 200
    assert (await door.http.get("/chatterbox/voices")).json()["count"] == 0
