"""The program of the tutorial, docs/tutorials/voice-assistant.md."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.conftest import PATIENCE_SECONDS
from tests.conversation.conftest import House
from tests.snippets import snippets


async def test_the_tutorials_program_speaks_the_reply(house: House, tmp_path: Path) -> None:
    (program,) = snippets("python", "docs/tutorials/voice-assistant.md")
    code = program.replace("127.0.0.1:50051", house.server.address)
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, stdout=PIPE, stderr=PIPE
    )
    asked = await house.chat.asked()
    assert asked.messages[-1] == ("user", "What is the capital of France?")
    await asked.reply("It is Paris.")
    said, problem = await asyncio.wait_for(running.communicate(), PATIENCE_SECONDS)
    assert running.returncode == 0, problem.decode()
    assert b"reply: It is Paris." in said
    assert (tmp_path / "reply.wav").read_bytes().startswith(b"RIFF")
