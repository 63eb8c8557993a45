"""A form that is refused while it is passed on is recorded as refused, and not as one whose sender left."""

import pytest

from tests.gateway.conftest import Open
from tests.gateway.test_history import KEEPING, kept
from tests.gateway.test_transcriptions import RECORDING

CUT_SHORT = (
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.flac"\r\n\r\n' + RECORDING + b"\r\n--x"
)


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/gateflow/v1/audio/transcriptions"])
async def test_a_form_that_is_cut_short_is_a_refusal(open_door: Open, path: str) -> None:
    door = await open_door(**KEEPING)
    kind = {"content-type": "multipart/form-data; boundary=x"}
    answer = await door.http.post(path, content=CUT_SHORT, headers=kind)
    assert answer.status_code == 400
    (entry,) = await kept(door, 1)
    assert (entry["status"], entry["reason"]) == ("INVALID_ARGUMENT", "UPLOAD_REFUSED")


async def test_the_field_at_fault_is_recorded(open_door: Open) -> None:
    door = await open_door(**KEEPING)
    answer = await door.http.post(
        "/v1/audio/transcriptions",
        files={"file": RECORDING},
        data={"model": "whisper-1", "temperature": "hot"},
    )
    assert answer.status_code == 400
    (entry,) = await kept(door, 1)
    assert (entry["status"], entry["reason"], entry["field"]) == (
        "INVALID_ARGUMENT",
        "UPLOAD_REFUSED",
        answer.json()["error"]["param"],
    )
