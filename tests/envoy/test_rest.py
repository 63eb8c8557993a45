"""The native API as REST: Envoy makes gRPC of JSON, and JSON of gRPC."""

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import PATIENCE_SECONDS
from tests.envoy.conftest import Gate
from tests.envoy.front import Front

SYNTHESIZE = "/api/v1/synthesize"
EVENTS = {"accept": "text/event-stream"}
PCM = "AUDIO_ENCODING_PCM_S16LE"


@contextmanager
def streamed(front: Front, body: Any, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """A response while it is still coming."""
    host, _, port = front.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", SYNTHESIZE, json.dumps(body), headers)
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("headers", "media_type"),
    [({}, "application/json"), (EVENTS, "text/event-stream")],
    ids=["lines", "events"],
)
def test_the_first_sound_comes_before_the_last_is_made(
    front: Front, gate: Gate, headers: dict[str, str], media_type: str
) -> None:
    gate.opened.clear()
    with streamed(front, {"text": "abc", "model": "gated", "encoding": PCM}, headers) as response:
        assert (response.status, response.getheader("content-type")) == (200, media_type)
        documents = (json.loads(line.removeprefix(b"data: ")) for line in response if line.strip())
        assert next(documents)["started"]["model"] == "gated"
        received = len(base64.b64decode(next(documents)["audio"]))
        assert received == 4800
        gate.opened.set()
        *others, last = documents
    assert received + sum(len(base64.b64decode(other["audio"])) for other in others) == 3 * 4800
    assert last["finished"]["usage"]["characters"] == 3


def test_events_have_the_form_of_server_sent_events(front: Front) -> None:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    answer = front.ask("POST", SYNTHESIZE, {"text": "a"}, **EVENTS)
    *events, rest = answer.body.decode().split("\n\n")
    assert len(events) == 3
    assert all(event.startswith("data: {") and "\n" not in event for event in events)
    assert rest == ""


def test_a_request_that_is_refused_has_a_status_of_its_own(front: Front) -> None:
    answer = front.ask("POST", SYNTHESIZE, {"text": "Hi.", "speed": 9})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert (answer.json["code"], answer.json["message"]) == (3, "speed is 9.0; it goes from 0.25 to 4.0")
    info, violations = answer.json["details"]
    assert (info["reason"], info["metadata"]) == ("INVALID_FIELD", {"field": "speed"})
    assert violations["field_violations"][0]["field"] == "speed"


@pytest.mark.parametrize("headers", [{}, EVENTS], ids=["lines", "events"])
def test_a_stream_that_breaks_lacks_its_last_message_and_says_why_in_trailers(
    front: Front, headers: dict[str, str]
) -> None:
    """Read below http.client, which drops the trailers of HTTP/1.1."""
    text = b""
    with streamed(front, {"text": "Hi there.", "model": "broken"}, headers) as response:
        while b"\r\n0\r\n" not in text or not text.endswith(b"\r\n\r\n"):
            text += response.fp.read1()
    body, _, trailers = text.partition(b"\r\n0\r\n")
    assert b'"audio"' in body
    assert b'"finished"' not in body
    assert b"grpc-status: 13\r\ngrpc-message: model 'broken' broke" in trailers


def test_unary_methods(front: Front) -> None:
    models = front.ask("GET", "/api/v1/models").json["models"]
    assert [model["name"] for model in models] == ["speaker", "broken", "broken-at-once", "gated", "listener"]
    assert front.ask("GET", "/api/v1/models/tts-1").json["model"]["name"] == "speaker"
    voices = front.ask("GET", "/api/v1/voices?model=speaker").json["voices"]
    assert [voice["name"] for voice in voices] == ["tone"]
    [loaded] = front.ask("POST", "/api/v1/models/speaker:load").lines[-1:]
    assert loaded["model"]["state"] == "MODEL_STATE_READY"
    unknown = front.ask("GET", "/api/v1/models/nobody")
    assert (unknown.status, unknown.json["details"][0]["reason"]) == (404, "MODEL_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("GET", "/api/v1/nothing", None, 404, "Could not resolve /api/v1/nothing"),
        ("PUT", SYNTHESIZE, b"{}", 404, "Could not resolve"),
        ("POST", SYNTHESIZE, b'{"text":', 400, "Unexpected end of string"),
        ("GET", "/api/v1/models?limit=3", None, 400, 'Could not find field "limit"'),
    ],
)
def test_what_envoy_refuses_is_json_too(
    front: Front, method: str, path: str, body: bytes | None, status: int, complaint: str
) -> None:
    answer = front.ask(method, path, body)
    assert answer.status == status
    error = answer.json["error"]
    assert complaint in error.pop("message")
    assert error == {"type": "invalid_request_error", "param": None, "code": None}


def test_large_uploads_pass(front: Front) -> None:
    audio = base64.b64encode(bytes(30 << 20)).decode()
    answer = front.ask(
        "POST", "/api/v1/transcribe", {"audio": audio, "raw_format": {"sample_rate_hertz": 48000}}
    )
    assert answer.lines[-1]["finished"]["audio_duration"] == "327.680s"


def test_a_job_is_made_watched_downloaded_and_deleted(front: Front) -> None:
    speech = {"text": "Hi.", "encoding": PCM}
    made = front.ask("POST", "/api/v1/speech-jobs", {"speech": speech}).json["job"]
    job = f"/api/v1/speech-jobs/{made['id']}"
    *_, watched = front.ask("GET", f"{job}:watch").lines
    assert watched["job"]["state"] == "SPEECH_JOB_STATE_COMPLETED"
    assert front.ask("GET", job).json["job"] == watched["job"]
    assert front.ask("GET", "/api/v1/speech-jobs?page_size=1").json["jobs"] == [watched["job"]]
    events = front.ask("GET", f"{job}:download?encoding=AUDIO_ENCODING_PCM_S16LE").lines
    assert sum(len(base64.b64decode(event.get("audio", ""))) for event in events) == 3 * 4800
    for change in ("pause", "resume", "retry", "cancel"):
        assert front.ask("POST", f"{job}:{change}").json["details"][0]["reason"] == "JOB_STATE"
    assert front.ask("DELETE", job).status == 200
    assert front.ask("GET", job).status == 404


def test_the_mask_of_an_update_is_a_parameter(front: Front) -> None:
    path = "/api/v1/custom-voices/nobody"
    unknown = front.ask("PATCH", path, {"name": "Anne"})
    assert (unknown.status, unknown.json["details"][0]["reason"]) == (404, "VOICE_NOT_FOUND")
    refused = front.ask("PATCH", f"{path}?update_mask=name,transcript", {"name": "Anne"})
    assert refused.status == 400
    assert "'transcript' cannot be updated" in refused.json["message"]


def test_what_the_server_is_doing_and_takes(front: Front) -> None:
    answer = front.ask("POST", "/api/v1/synthesize", {"text": "x"}, x_request_id="seen")
    assert answer.status == 200
    listed = front.ask("GET", "/api/v1/activities?max_recent=100")
    assert "seen" in [one["request_id"] for one in listed.json["activities"]]
    assert front.ask("GET", "/api/v1/statistics").json["statistics"]["active"] == 0
    assert front.ask("GET", "/api/v1/admin/statistics").json["statistics"]["active"] == 0
    assert front.ask("GET", "/api/v1/admin/activities?max_recent=0").json["activities"] == []
    assert int(front.ask("GET", "/api/v1/memory").json["memory"]["used_bytes"]) > 0
    assert front.ask("POST", "/api/v1/memory:free").status == 200
    assert front.ask("GET", "/api/v1/default-voice").status == 200
    assert front.ask("POST", "/api/v1/custom-voices:cleanup").json == {"removed": []}
    assert front.ask("DELETE", "/api/v1/activities").json["cleared"] > 0
