"""Chat endpoints that fail: an error of one turn, said clearly, and the conversation goes on."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from audio_grpc.v1.conversation_pb2 import ReplyAudio, TurnFailed, TurnFinished
from tests.conversation.chat_double import Asked
from tests.conversation.conftest import PCM, House, Open, following, rest

KEY = "sk-very-secret"
Fail = Callable[[Asked], Awaitable[None]]


async def failed_turn(house: House, *answers: Fail) -> TurnFailed:
    """Returns the failure of a turn whose requests get these answers; the next turn goes well."""
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        for answer in answers:
            await answer(await house.chat.asked())
        failed: TurnFailed = await following(conversation, TurnFailed)
        await conversation.say("Again?")
        asked = await house.chat.asked()
        assert asked.messages[-1][1].endswith("Again?")
        await asked.reply("Yes.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert [event.turn for event in events if isinstance(event, TurnFinished)] == [1]
    await house.until_free()
    return failed


async def refuse_500(asked: Asked) -> None:
    await asked.refuse(500, '{"error": {"message": "out of cheese"}}')


async def cut(asked: Asked) -> None:
    await asked.say("Well, ")
    asked.hang_up()


async def end_early(asked: Asked) -> None:
    await asked.say("Well, ")
    await asked.data("")
    asked.over.set()


async def fail_within(asked: Asked) -> None:
    await asked.say("Well, ")
    await asked.event({"error": {"message": "out of cheese"}})


async def test_an_endpoint_that_fails_is_asked_once_more(house: House) -> None:
    failed = await failed_turn(house, refuse_500, refuse_500)
    assert (failed.reason, failed.recoverable) == ("CHAT_BROKEN", True)
    assert "500: out of cheese" in failed.message


async def test_the_second_answer_counts(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        await refuse_500(await house.chat.asked())
        await (await house.chat.asked()).reply("Yes.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert isinstance(events[-1], TurnFinished)


@pytest.mark.parametrize("fail", [cut, end_early, fail_within])
async def test_a_reply_that_has_begun_is_never_asked_for_again(house: House, fail: Fail) -> None:
    failed = await failed_turn(house, fail)
    assert (failed.reason, failed.recoverable) == ("CHAT_BROKEN", True)
    assert "in the middle of its reply" in failed.message
    assert house.chat.count == 2  # that one, and the next turn's


async def test_what_an_endpoint_refuses_is_not_tried_again(house: House) -> None:
    async def refuse(asked: Asked) -> None:
        await asked.refuse(400, '{"error": {"message": "no such model"}}')

    failed = await failed_turn(house, refuse)
    assert (failed.reason, failed.recoverable) == ("CHAT_REFUSED", False)
    assert "400: no such model" in failed.message


async def test_a_page_of_html_is_no_chat_endpoint(house: House) -> None:
    async def show_page(asked: Asked) -> None:
        await asked.refuse(200, "<html>Welcome</html>", kind="text/html")

    failed = await failed_turn(house, show_page)
    assert (failed.reason, failed.recoverable) == ("CHAT_REFUSED", False)
    assert "no chat endpoint" in failed.message
    assert "base_url" in failed.message


async def test_what_is_no_json_is_told(house: House) -> None:
    async def babble(asked: Asked) -> None:
        await asked.data("data: <babble>\n\n")

    assert "no JSON" in (await failed_turn(house, babble, babble)).message


@pytest.mark.parametrize("setting", ["first_token_seconds", "idle_seconds"])
async def test_an_endpoint_that_stalls_is_given_up(open_house: Open, setting: str) -> None:
    house = await open_house(llm={setting: 0.2})

    async def stall(asked: Asked) -> None:
        if setting == "idle_seconds":
            await asked.say("Well. ")

    attempts = [stall] if setting == "idle_seconds" else [stall, stall]
    failed = await failed_turn(house, *attempts)
    assert (failed.reason, failed.recoverable) == ("CHAT_TIMEOUT", True)
    assert setting in failed.message


async def test_nobody_at_the_address_is_said_with_what_to_do(open_house: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    house = await open_house(llm={"base_url": f"http://127.0.0.1:{port}/v1"})
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        await conversation.end()
        [failed], _ = await rest(conversation)
    assert (failed.reason, failed.recoverable) == ("CHAT_UNREACHABLE", True)
    assert f"no chat endpoint answers at http://127.0.0.1:{port}/v1" in failed.message
    assert "audio-grpc llm" in failed.message
    assert "base_url" in failed.message


async def test_a_reply_that_breaks_off_is_remembered_as_far_as_it_was_heard(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Go on.")
        asked = await house.chat.asked()
        await asked.say("Nothing")
        asked.hang_up()
        await following(conversation, TurnFailed)
        await conversation.say("And?")
        again = await house.chat.asked()
        assert again.messages[1:] == [("user", "Go on.\nAnd?")]
        await again.reply("Yes.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert {event.turn for event in events if isinstance(event, ReplyAudio)} == {1}


async def test_the_key_is_sent_and_never_told(
    open_house: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("CHAT_KEY", KEY)
    house = await open_house(llm={"key_env": "CHAT_KEY"})

    async def refuse(asked: Asked) -> None:
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        await asked.refuse(401, '{"error": {"message": "wrong key"}}')

    failed = await failed_turn(house, refuse)
    assert failed.reason == "CHAT_REFUSED"
    assert KEY not in failed.message
    assert KEY not in caplog.text


async def test_a_key_that_is_missing_is_said(open_house: Open) -> None:
    house = await open_house(llm={"key_env": "NOBODY_HAS_SET_THIS"})
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        await conversation.end()
        [failed], _ = await rest(conversation)
    assert (failed.reason, failed.recoverable) == ("CHAT_REFUSED", False)
    assert "key_env" in failed.message
    assert house.chat.count == 0


async def test_a_recording_that_is_none_fails_its_turn_only(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.send_recording(b"not a sound")
        failed = await following(conversation, TurnFailed)
        assert (failed.reason, failed.recoverable) == ("AUDIO_UNDECODABLE", False)
        await conversation.say("Hello?")
        await (await house.chat.asked()).reply("Yes.")
        await conversation.end()
        await rest(conversation)
    await house.until_free()


async def test_a_line_without_end_breaks_its_turn_only(house: House) -> None:
    async def go_on(asked: Asked) -> None:
        await asked.say("Well, ")
        while not asked.left.is_set():
            with suppress(ConnectionError):
                await asked.data("data: " + "x" * (1 << 16))
            await asyncio.sleep(0)

    failed = await failed_turn(house, go_on)
    assert (failed.reason, failed.recoverable) == ("CHAT_BROKEN", True)
    assert "a line of more than 1 MiB" in failed.message


@pytest.mark.parametrize(
    "event",
    [
        "[" * 100_000,
        '{"choices": [1, {"delta": "x"}, {"delta": {"content": 5}}, null]}',
        '{"choices": {"delta": {"content": "x"}}}',
        '{"choices": [], "usage": {"prompt_tokens": 1000000000000000000000, "completion_tokens": -1}}',
        '{"choices": [], "usage": [1]}',
    ],
)
async def test_an_event_of_another_shape_says_nothing_or_breaks_its_turn_only(
    house: House, event: str
) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        asked = await house.chat.asked()
        await asked.say("Yes.")
        await asked.data(f"data: {event}\n\n")
        await asked.finish()
        await following(conversation, TurnFailed if event.startswith("[") else TurnFinished)
        await conversation.say("Again?")
        await (await house.chat.asked()).reply("Yes.")
        await following(conversation, TurnFinished)
        await conversation.end()
        await rest(conversation)


async def test_halves_of_characters_do_not_end_the_conversation(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        asked = await house.chat.asked()
        await asked.data('data: {"choices": [{"delta": {"content": "Yes \\ud83d."}}]}\n\n')
        await asked.finish()
        assert (await following(conversation, TurnFinished)).turn == 0
        await conversation.end()
        await rest(conversation)


@pytest.mark.parametrize("end", ["data: [DONE]\n\n", "data: [DONE]\n", "data:[DONE]", "data: [DONE]\r\n\r\n"])
async def test_an_end_that_is_said_needs_no_reason(house: House, end: str) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        asked = await house.chat.asked()
        await asked.say("Yes.")
        await asked.data(end)
        await asked.data("")
        asked.over.set()
        assert (await following(conversation, TurnFinished)).turn == 0
        await conversation.end()
        await rest(conversation)


async def test_a_compressed_reply_is_refused_before_it_is_unpacked(house: House) -> None:
    async def compress(asked: Asked) -> None:
        assert asked.headers["accept-encoding"] == "identity"
        await asked.refuse(200, "x", kind="text/event-stream\r\ncontent-encoding: gzip")

    failed = await failed_turn(house, compress)
    assert failed.reason == "CHAT_REFUSED"
    assert "compresses its answers" in failed.message


async def test_an_error_whose_body_never_ends_is_not_waited_for(open_house: Open) -> None:
    house = await open_house(llm={"idle_seconds": 0.2})

    async def begin(asked: Asked) -> None:
        head = "HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\nno such"
        await asked.raw(head)

    failed = await failed_turn(house, begin)
    assert "400: no such" in failed.message
