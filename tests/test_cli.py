"""The command line, as a user calls it."""

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.conftest import COMMAND, DATA, ServerProcess
from tests.eventually import eventually_in_a_thread

FLAC = str(DATA / "sense_and_sensibility_0880.flac")


def run(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([COMMAND, *arguments], input=stdin, capture_output=True, cwd=cwd, timeout=120)


@pytest.fixture
def at(embedded: str) -> list[str]:
    """The option that names the server."""
    return ["--server", embedded]


def test_say_writes_a_file_with_exact_sizes(at: list[str], tmp_path: Path) -> None:
    done = run("say", "Hello there.", *at, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"wrote speech.wav" in done.stderr
    assert b"the first after" in done.stderr
    with wave.open(str(tmp_path / "speech.wav")) as file:
        assert file.getframerate() == 24000
        assert file.getnframes() > 12000
    assert [path.name for path in tmp_path.iterdir()] == ["speech.wav"]


@pytest.mark.parametrize(
    ("name", "start"), [("a.mp3", b"\xff"), ("a.ogg", b"OggS"), ("a.flac", b"fLaC"), ("a.aac", b"\xff\xf1")]
)
def test_the_name_of_the_file_chooses_the_format(
    at: list[str], tmp_path: Path, name: str, start: bytes
) -> None:
    assert run("say", "Hi.", "--out", name, *at, cwd=tmp_path).returncode == 0
    assert (tmp_path / name).read_bytes().startswith(start)


def test_several_may_write_one_file_at_once(at: list[str], tmp_path: Path) -> None:
    command = [COMMAND, "say", "-", "--out", "same.wav", *at]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        try:
            eventually_in_a_thread(lambda: any(tmp_path.iterdir()))  # it has begun, and waits for its text
            other = run("say", "Another.", "--out", "same.wav", *at, cwd=tmp_path)
            assert other.returncode == 0, other.stderr
            before = (tmp_path / "same.wav").read_bytes()
            _, said = first.communicate(b"The first of two.", timeout=120)
        finally:
            first.kill()
    assert first.returncode == 0, said
    assert [path.name for path in tmp_path.iterdir()] == ["same.wav"]
    assert (tmp_path / "same.wav").read_bytes() != before, "the last to finish wins"
    with wave.open(str(tmp_path / "same.wav")) as file:
        assert len(file.readframes(file.getnframes())) == 2 * file.getnframes() > 0


def test_say_speaks_standard_input_as_it_comes(at: list[str]) -> None:
    command = [COMMAND, "say", "-", "--out", "-", "--format", "pcm", *at]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as said:
        assert said.stdin is not None
        assert said.stdout is not None
        said.stdin.write(b"Hello from the caf\xc3")
        said.stdin.flush()
        said.stdin.write(b"\xa9 there. And so ")
        said.stdin.flush()
        assert said.stdout.read(4800), "the text goes on, and the first sentence is spoken already"
        said.stdin.write(b"goodbye.")
        said.stdin.close()
        assert said.stdout.read()
        assert said.wait() == 0


def test_say_has_nothing_to_say(at: list[str], tmp_path: Path) -> None:
    done = run("say", "-", *at, cwd=tmp_path, stdin=b" \n")
    assert done.returncode == 1
    assert b"nothing to say" in done.stderr
    assert not list(tmp_path.iterdir())


def test_say_does_not_wait_for_standard_input_when_it_fails(at: list[str], tmp_path: Path) -> None:
    command = [COMMAND, "say", "-", "--voice", "nobody", "--out", "a.wav", *at]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as said:
        assert said.stderr is not None
        assert b"has no voice" in said.stderr.read()
        assert said.wait() == 1


def test_say_and_transcribe_through_pipes(at: list[str]) -> None:
    audio = run("say", "-", "--out", "-", "--format", "opus", *at, stdin=b"The boy was there.").stdout
    assert audio.startswith(b"OggS")
    heard = run("transcribe", "-", *at, stdin=audio)
    assert heard.stdout.decode().strip() == "The boy was there."


def test_transcribe_in_every_format(at: list[str]) -> None:
    text = run("transcribe", FLAC, *at).stdout.decode()
    assert "young man" in text
    whole = json.loads(run("transcribe", FLAC, "--format", "json", "--words", *at).stdout)
    assert whole["text"] == text.strip()
    assert (whole["language"], whole["duration"]) == ("en", 2.99)
    assert whole["segments"][0]["words"][0]["start"] >= 0
    hotwords = ("--hotword", "ill disposed", "--hotword", "not an ill disposed")
    srt = run("transcribe", FLAC, "--format", "srt", *hotwords, *at).stdout.decode()
    assert srt.startswith("1\n00:00:00,")
    assert " --> 00:00:0" in srt
    assert "ill disposed" in srt
    guessed = ("--language", "fr", "--multilingual")
    vtt = run("transcribe", FLAC, "--format", "vtt", *guessed, *at).stdout.decode()
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    assert "young man" in vtt


def test_listen_writes_a_line_for_each_utterance(at: list[str]) -> None:
    done = run("listen", FLAC, "--language", "en", *at)
    assert done.returncode == 0, done.stderr
    assert "young man" in done.stdout.decode()
    assert done.stdout.count(b"\n") == 1


def test_listen_hears_samples_on_standard_input(at: list[str]) -> None:
    samples = run("say", "The boy was there.", "--out", "-", "--format", "pcm", *at).stdout
    done = run("listen", "-", "--rate", "24000", *at, stdin=samples)
    assert done.stdout.decode() == "The boy was there.\n"


def test_listen_says_what_is_wrong_with_a_file(at: list[str]) -> None:
    done = run("listen", __file__, *at)
    assert done.returncode == 1
    assert "test_cli.py: " in done.stderr.decode()


def test_models_and_voices(at: list[str]) -> None:
    models = run("models", *at).stdout.decode()
    assert "hibari" in models
    assert "whisper-base" in models
    assert "ready" in models
    assert "American English" in run("voices", *at).stdout.decode()


TONE_SERVER = """
voices_path = "voices"
[synthesizers.speaker]
backend = "tone"
options = { cloning = true }
"""


def test_a_model_is_loaded_and_unloaded(tmp_path: Path) -> None:
    weighty = "options = { cloning = true, weight_bytes = 50_000_000 }"
    (tmp_path / "audio-grpc.toml").write_text(TONE_SERVER.replace("options = { cloning = true }", weighty))
    server = ServerProcess(cwd=tmp_path)
    at = ["--server", server.address]
    try:
        assert "unloaded" in run("models", *at).stdout.decode()
        loaded = run("models", "load", "speaker", *at).stdout.decode()
        assert "ready" in loaded
        assert re.search(r"5\d\.\d MB", loaded)
        unloaded = run("models", *at, "unload", "speaker").stdout.decode()
        assert "unloaded" in unloaded
        assert "MB" not in unloaded
        missing = run("models", "load", "nobody", *at)
        assert missing.returncode == 1
        assert b"no model is named 'nobody'" in missing.stderr
    finally:
        assert server.stop() == 0


def test_a_voice_is_added_spoken_with_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "audio-grpc.toml").write_text(TONE_SERVER)
    server = ServerProcess(cwd=tmp_path)
    name = "[bold]Anna[/]"  # no markup, whatever it looks like
    try:
        at = ["--server", server.address]
        added = run("voices", "add", name, FLAC, "--transcript", "Hm.", "--language", "en", *at)
        voice = added.stdout.decode().strip()
        assert added.stderr.decode() == f"speak with it: audio-grpc say 'Hello.' --voice {voice}\n"
        listing = run("voices", "--model", "speaker", *at).stdout.decode()
        assert voice in listing
        assert name in listing
        again = run("voices", "add", name, FLAC, *at)
        assert (again.returncode, again.stdout) == (1, b"")
        assert f"there is a custom voice {name!r} already" in again.stderr.decode()
        assert run("say", "Hi.", "--voice", name, *at, cwd=tmp_path).returncode == 0
        assert run("voices", *at, "delete", voice).returncode == 0
        assert voice not in run("voices", *at).stdout.decode()
        assert b"no custom voice" in run("voices", "delete", name, *at).stderr
    finally:
        assert server.stop() == 0


def test_doctor_tries_the_models_and_finds_the_server(embedded: str) -> None:
    done = run("doctor", "--server", embedded)
    report = done.stdout.decode()
    assert done.returncode == 0, report
    assert "hibari (synthesizer, hibari): loaded" in report
    assert "whisper-base (transcriber, faster-whisper): loaded" in report
    assert f"{embedded} is serving: hibari, whisper-base" in report


def test_doctor_says_why_a_model_cannot_be_loaded(tmp_path: Path) -> None:
    config = tmp_path / "broken.toml"
    config.write_text(
        '[synthesizers.gone]\nbackend = "hibari"\npath = "/nowhere.onnx"\n'
        '[transcribers.off]\nbackend = "tone"\noptions = { fail_loading = true }\n'
    )
    done = run("doctor", "--config", str(config), "--server", "127.0.0.1:1")
    report = done.stdout.decode()
    assert done.returncode == 1
    assert "/nowhere.onnx" in report
    assert "told to fail" in report
    assert "no server answers at 127.0.0.1:1; start one with: audio-grpc serve" in report


def test_no_server_is_one_line_that_says_how_to_start_one() -> None:
    done = run("say", "Hi.", "--server", "127.0.0.1:1")
    assert done.returncode == 1
    assert b"start one with: audio-grpc serve" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_failed_call_leaves_no_file(at: list[str], tmp_path: Path) -> None:
    done = run("say", "Hi.", "--voice", "nobody", "--out", "a.wav", *at, cwd=tmp_path)
    assert done.returncode == 1
    assert b"no voice 'nobody'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_survives_a_failed_call(at: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("precious")
    run("say", "Hi.", "--voice", "nobody", "--out", "a.wav", *at, cwd=tmp_path)
    assert (tmp_path / "a.wav").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["say", "Hi.", "--out", "a.xyz"], "cannot tell the format"),
        (["say", "Hi.", "--split", "letters"], "letters"),
        (["transcribe", "nowhere.wav"], "nowhere.wav"),
        (["listen", "nowhere.wav"], "nowhere.wav"),
        (["serve", "--port", "seven"], "valid integer"),
        (["serve", "--config", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["serve", "--log-level", "loud"], "log_level"),
        (["voices", "add", "Anna"], "Missing argument"),
        (["voices", "add", "Anna", "nowhere.wav"], "nowhere.wav"),
        (["serve", "--log-format", "xml"], "log_format"),
        (["serve", "--otlp-endpoint", "localhost:4318"], "otlp_endpoint"),
    ],
)
def test_mistakes_are_named(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert complaint in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    "command", ["serve", "say", "transcribe", "listen", "models", "voices", "history", "doctor", "tune"]
)
def test_every_command_has_help_with_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"audio-grpc {command}" in done.stdout.decode()
    assert "Examples" in done.stdout.decode()


def test_version() -> None:
    from audio_grpc import __version__

    assert run("--version").stdout.decode().strip() == f"audio-grpc {__version__}"


def test_serve_checks_itself_and_goes_on_serving(tmp_path: Path) -> None:
    """Checks the output of `make run`."""
    server = ServerProcess("--self-check", cwd=tmp_path)
    try:
        server.wait_for("spoke  The quick brown fox")
        server.wait_for("the first after .* real-time factor")
        server.wait_for("heard  The quick brown fox jumps over the lazy dog")
        server.wait_for("The@0.*dog.@")
        server.wait_for("buf curl")
        assert run("say", "Still here.", "--server", server.address, cwd=tmp_path).returncode == 0
    finally:
        assert server.stop() == 0


def test_the_command_starts_without_the_models() -> None:
    """Typing `audio-grpc say` must not wait for neural networks to be imported."""
    code = "import sys, audio_grpc.cli; print({'onnxruntime', 'ctranslate2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
