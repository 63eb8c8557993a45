"""The history in PostgreSQL."""

from datetime import UTC, datetime
from functools import partial

import pytest

from audio_grpc.client import AsyncClient, Encoding
from tests.conftest import Start
from tests.history.conftest import hear, kept, played, speak

ODD = "Ärger & 日本語!\x00 '); DROP TABLE past_requests; --🙂 "


@pytest.fixture
def there(keeping: Start, postgresql_url: str) -> Start:
    """Starts servers that share a history."""
    return partial(keeping, database_url=postgresql_url)


async def forget(client: AsyncClient) -> int:
    return await client.delete_past_requests(before=datetime.now(UTC))


async def test_a_requests_life(there: Start) -> None:
    _, client = await there()
    sound = await speak(client, "Hello there.", encoding=Encoding.MP3)
    (past,) = await kept(client)
    assert (past.text, past.input_tokens, past.is_whole_text) == ("Hello there.", 12, True)
    assert await played(client, past) == sound
    assert await forget(client) == 1
    assert await kept(client, 0) == []


async def test_servers_have_one_history(there: Start) -> None:
    (_, first), (_, second) = await there(), await there()
    await speak(first, "From the first.")
    await kept(second, 1)
    await speak(second, "From the second.")
    pasts = await kept(first, 2)
    assert [past.text for past in pasts] == ["From the second.", "From the first."]
    page = await first.list_past_requests(page_size=1).page()
    (rest,) = (await second.list_past_requests(page_size=1, page_token=page.next_page_token).page()).requests
    assert rest == pasts[1]
    assert await played(first, pasts[0])
    assert await forget(second) == 2


async def test_odd_texts_are_kept_and_asked_for_safely(there: Start) -> None:
    _, client = await there()
    sound = await speak(client, ODD)
    await hear(client, sound)
    heard, spoken = await kept(client, 2)
    assert spoken.text == ODD
    assert spoken.characters == len(ODD)
    assert "DROP TABLE" in heard.text
    for name in ("model", "method"):
        assert await kept(client, 0, **{name: ODD}) == []
    assert await client.delete_past_requests([ODD]) == 0
    assert await forget(client) == 2
