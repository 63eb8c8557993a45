"""Keys pass through the gateway to the server, which alone knows them."""

from pathlib import Path

import openai
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
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
    for path in ("/v1/models", "/v1/models/tts-1", "/v1/audio/voices"):
        assert (await door.http.get(path)).status_code == 401
    missing = await posted(door, [("model", "listener")], RECORDING)
    assert (missing.status_code, error_of(missing)["code"]) == (401, "invalid_api_key")
    assert missing.headers["www-authenticate"] == "Bearer"
    allowed = door.openai.with_options(api_key=secret)
    assert (await allowed.audio.speech.create(model="tts-1", voice="tone", input=TEXT)).content
    assert KEY not in missing.text
