"""The page's examples of calls for long texts."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from playwright.async_api import Page, expect

from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_WAV
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest
from tests.jobs.conftest import TEXT, Speaker, speaker
from tests.playground.conftest import IN_BROWSER, Visit, samples_of
from tests.playground.keeper import Keeper
from tests.playground.narrating import (
    badge,
    begin,
    does,
    held,
    narrating,
    newest,
    opened,
    saved,
)

__all__ = ["narrating", "speaker"]
pytestmark = IN_BROWSER


async def run(page: Page, language: str, *command: str, folder: Path, server: str = "") -> str:
    """Runs an example; returns its output. ``server`` replaces gRPC's address, as no Envoy is in front."""
    await page.get_by_role("button", name=language, exact=True).click()
    example = await page.locator("#snippet").inner_text()
    if server:
        example = example.replace(page.url.split("/")[2], server)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *command, example, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


@pytest.mark.skipif(not shutil.which("jq"), reason="there is no jq; on Debian: apt install jq")
@pytest.mark.parametrize("text", ["It's \"quoted\", isn't it?", f'It\'s "long". {TEXT}'])
async def test_the_examples_do_what_the_page_did(
    narrating: Keeper, visit: Visit, tmp_path: Path, text: str
) -> None:
    (tmp_path / "text.txt").write_text(text)
    # There is no grpcurl here: this one only tells what it was given.
    (tmp_path / "grpcurl").write_text('#!/bin/sh\ncase "$*" in *"-d @"*) cat;; *) printf %s "$3";; esac\n')
    (tmp_path / "grpcurl").chmod(0o755)
    page = await opened(visit, narrating)
    entry = await begin(page, text)
    sound_of_page = samples_of(await saved(page, entry))
    for language, command in (("curl", ("bash", "-c")), ("Python", (sys.executable, "-c"))):
        server = narrating.address if language == "Python" else ""
        printed = await run(page, language, *command, folder=tmp_path, server=server)
        assert ("event: completed" if language == "curl" else " of ") in printed
        assert samples_of((tmp_path / "speech.wav").read_bytes()) == sound_of_page
        (tmp_path / "speech.wav").unlink()
    asked = json_format.Parse(
        await run(page, "grpcurl", "bash", "-c", folder=tmp_path), CreateSpeechJobRequest()
    )
    speech = asked.speech
    assert (speech.text, speech.model, speech.encoding) == (text, "speaker", AUDIO_ENCODING_WAV)
    await expect(page.locator("#snippet")).to_contain_text("audio_grpc.v1.JobService/CreateSpeechJob")


@pytest.mark.parametrize("language", ["curl", "Python"])
async def test_the_example_of_a_pause_pauses(
    narrating: Keeper, visit: Visit, speaker: Speaker, tmp_path: Path, language: str
) -> None:
    page = await opened(visit, narrating)
    entry = await held(page, speaker)
    await does(entry, "Pause").click()
    await expect(badge(entry)).to_have_text("paused")
    job_id = await newest(narrating)
    await narrating.client.resume_job(job_id)
    await expect(badge(entry)).not_to_have_text("paused")
    command = ("bash", "-c") if language == "curl" else (sys.executable, "-c")
    server = narrating.address if language == "Python" else ""
    await run(page, language, *command, folder=tmp_path, server=server)
    await expect(badge(entry)).to_have_text("paused")
    await page.get_by_role("button", name="grpcurl").click()
    await expect(page.locator("#snippet")).to_contain_text(f'{{"id":"{job_id}"}}')
    await expect(page.locator("#snippet")).to_contain_text("audio_grpc.v1.JobService/PauseSpeechJob")
