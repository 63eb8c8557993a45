"""Keys pass through the gateway to the server, which alone knows them."""

import json
from pathlib import Path

import openai
import pytest
from websockets.asyncio.client import connect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient
from tests.gateway.conftest import KEY, Open
from tests.gateway.test_errors import error_of
from tests.gateway.test_speech import TEXT
from tests.gateway.test_transcriptions import RECORDING, posted


async def test_a_key_opens_every_path_and_its_lack_none(open_door: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    _, secret = key_file.add(keys, "developer", KeyLimits())
    door = await open_door(keys_file=keys)
    with pytest.raises(openai.AuthenticationError) as unknown:  # the door's client has a key of its own
        await door.openai.audio.speech.create(model="tts-1", voice="tone", input=TEXT)
    assert unknown.value.code == "invalid_api_key"
    for path in ("/v1/models", "/v1/models/tts-1", "/openai/models"):
        assert (await door.http.get(path)).status_code == 401
    missing = await posted(door, [("model", "listener")], RECORDING)
    assert (missing.status_code, error_of(missing)["code"]) == (401, "invalid_api_key")
    assert missing.headers["www-authenticate"] == "Bearer"
    allowed = door.openai.with_options(api_key=secret)
    assert (await allowed.audio.speech.create(model="tts-1", voice="tone", input=TEXT)).content
    assert KEY not in missing.text


async def test_without_a_key_a_listing_has_the_models_own_voices_and_no_others(
    open_door: Open, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    _, secret = key_file.add(keys, "developer", KeyLimits())
    door = await open_door(keys_file=keys, options={"cloning": True})
    allowed = door.openai.with_options(api_key=secret)
    made = await allowed.audio.voices.create(name="Elinor", audio_sample=("a.flac", RECORDING), consent="c")
    headers = {"authorization": f"Bearer {secret}"}

    async def listed(path: str, headers: dict[str, str]) -> list[str]:
        reply = await door.http.get(f"/v1/audio/{path}", headers=headers)
        return [one["id"] for one in reply.json()[path]]

    assert await listed("voices", headers) == ["tone", made.id]
    assert await listed("voices", {}) == ["tone"]
    assert "tts-1" in await listed("models", headers)
    assert await listed("models", {}) == ["speaker"]
    async with AsyncClient(door.server_address) as stranger:
        assert [voice.name for voice in await stranger.list_voices()] == ["tone"]
    for path in ("voices", "models"):
        wrong = await door.http.get(f"/v1/audio/{path}", headers={"authorization": "Bearer ag_wrong"})
        assert wrong.status_code == 401


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_azures_client_finds_its_paths_with_its_header(open_door: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    _, secret = key_file.add(keys, "developer", KeyLimits())
    door = await open_door(keys_file=keys)

    def client(key: str, deployment: str | None = None) -> openai.AsyncAzureOpenAI:
        return openai.AsyncAzureOpenAI(
            api_key=key,
            azure_endpoint=door.url,
            azure_deployment=deployment,
            api_version="2025-04-01-preview",
            max_retries=0,
        )

    async with client(secret) as azure:
        said = await azure.audio.speech.create(model="tts", voice="alloy", input=TEXT, response_format="wav")
        sound = ("a.wav", said.content)
        assert (await azure.audio.transcriptions.create(model="whisper", file=sound)).text == TEXT
        assert (await azure.audio.translations.create(model="gpt-4o-transcribe", file=sound)).text
        assert "speaker" in [model.id async for model in azure.models.list()]
        with pytest.raises(openai.NotFoundError, match="there are: speaker"):
            await azure.audio.speech.create(model="nobody", voice="alloy", input=TEXT)
    async with client(
        secret, "whisper"
    ) as deployed:  # the deployment's name is the model, whatever the form says
        assert (await deployed.audio.transcriptions.create(model="nobody", file=sound)).text == TEXT
    async with client("wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.audio.speech.create(model="tts", voice="alloy", input=TEXT)
    newer = await door.http.get("/openai/v1/models", headers={"api-key": secret})
    assert newer.status_code == 200


@pytest.mark.parametrize("place", ["header", "query", "openai/v1"])
async def test_azures_realtime_path_takes_its_key_and_deployment(
    open_door: Open, tmp_path: Path, place: str
) -> None:
    keys = tmp_path / "keys.json"
    _, secret = key_file.add(keys, "developer", KeyLimits())
    door = await open_door(keys_file=keys)
    base = f"ws{door.url.removeprefix('http')}/openai"
    asked = "realtime?api-version=2025-04-01-preview&intent=transcription&deployment=gpt-4o-transcribe"
    url = f"{base}/v1/realtime?model=gpt-4o-transcribe" if place == "openai/v1" else f"{base}/{asked}"
    headers = {} if place == "query" else {"api-key": secret}
    async with connect(
        f"{url}&api-key={secret}" if place == "query" else url, additional_headers=headers
    ) as ws:
        created = json.loads(await ws.recv())
    assert created["type"] == "session.created"
    assert created["session"]["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"
