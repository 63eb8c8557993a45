"""``audio-grpc tune``, as a person calls it. What wins is not tested: that is for the machine to say."""

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from audio_grpc import config
from audio_grpc.backends.base import ModelSpec, Traits
from audio_grpc.backends.faster_whisper import FasterWhisper
from audio_grpc.errors import ConfigurationError
from audio_grpc.machine import GIB, Gpu, Machine
from audio_grpc.tuning.candidates import Candidate, candidates
from audio_grpc.tuning.file import ConfigurationFile
from audio_grpc.tuning.measuring import Figures
from audio_grpc.tuning.verdict import Measured, best, settings
from tests.conftest import COMMAND, CommandProcess

TONE = """\
# Our house speaks in tones.
port   = 6000   # not the usual one

[synthesizers.speaker]   # the only one
backend = 'tone'
options = { delay_seconds = 0.002 }   # as if it computed

[transcribers.listener]
backend = "tone"
threads = 3   # to be tuned
"""
QUICKLY = ("--seconds", "0.2", "--callers", "2")
QUAD = Machine(4, "told by a test", 16 * GIB, "told by a test")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audio-grpc.toml"
    path.write_text(TONE)
    return path


def tune(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "tune", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=170)


def test_the_best_is_written_and_all_else_stays_as_it_was_written(file: Path) -> None:
    file.chmod(0o640)
    done = tune(*QUICKLY, "--force", cwd=file.parent)
    assert done.returncode == 0, done.stderr
    assert "speaker with threads 1: 2 callers together" in done.stderr
    assert "speaker speaks what is to be heard" in done.stderr
    assert done.stdout.count("best") == 2
    assert "2 callers: sound a second" in done.stdout
    text = file.read_text()
    kept = [line for line in TONE.splitlines() if not line.startswith("threads")]
    assert [line for line in text.splitlines() if line in kept] == kept
    assert "# to be tuned" in text
    assert "# by audio-grpc tune" in text
    models = tomllib.loads(text)
    speaker, listener = models["synthesizers"]["speaker"], models["transcribers"]["listener"]
    assert speaker["queue"] >= speaker["concurrency"] > 0
    assert listener["queue"] >= 32
    assert file.stat().st_mode & 0o777 == 0o640
    loaded = config.load(file)
    assert loaded.synthesizers["speaker"].concurrency == speaker["concurrency"]
    assert loaded.port == 6000
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_dry_run_shows_what_it_would_write(file: Path) -> None:
    done = tune("speaker", *QUICKLY, "--dry-run", cwd=file.parent)
    assert done.returncode == 0, done.stderr
    assert "+concurrency = " in done.stdout
    assert "this was a dry run" in done.stderr
    assert "listener" not in done.stdout
    assert file.read_text() == TONE


def test_the_default_models_are_tuned_where_there_is_no_file_yet(tmp_path: Path) -> None:
    done = tune("--seconds", "0.5", "--callers", "2", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = tomllib.loads((tmp_path / "audio-grpc.toml").read_text())
    assert set(written["synthesizers"]["hibari"]) == {"threads", "concurrency", "queue"}
    whisper = written["transcribers"]["whisper-base"]
    assert set(whisper) == {"threads", "options", "queue"}
    assert set(whisper["options"]) == {"cpu_threads"}
    report = subprocess.run(
        [COMMAND, "doctor", "--no-load"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    ).stdout
    found = " ".join(report.split())
    assert f"workers {whisper['threads']} as configured (threads)" in found
    assert f"cpu_threads {whisper['options']['cpu_threads']} as configured" in found
    assert f"concurrency {written['synthesizers']['hibari']['concurrency']} as configured" in found


def slowly(file: Path, temporary: Path) -> CommandProcess:
    """Measuring, with work that lasts until somebody does something about it."""
    file.write_text(TONE.replace("0.002", "0.05"))
    temporary.mkdir()
    command = (COMMAND, "tune", "speaker", "--seconds", "2", "--callers", "2", "--force")
    process = CommandProcess(*command, cwd=file.parent, env={"TMPDIR": str(temporary)})
    with process.ended_if_it_fails():
        process.wait_for("warming up")
    return process


def test_ctrl_c_leaves_the_file_as_it_was_and_nothing_running(file: Path, tmp_path: Path) -> None:
    process = slowly(file, tmp_path / "temporary")
    before = file.read_bytes()
    measuring = psutil.Process(process.process.pid).children(recursive=True)
    assert measuring
    assert process.stop(signal.SIGINT) == 130
    log = "".join(process.log)
    assert "interrupted; audio-grpc.toml is as it was" in log
    assert "Traceback" not in log
    assert file.read_bytes() == before
    assert [one for one in measuring if one.is_running()] == []
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_file_that_somebody_else_has_written_meanwhile_is_left_alone(file: Path, tmp_path: Path) -> None:
    process = slowly(file, tmp_path / "temporary")
    theirs = TONE.replace("6000", "7000")
    file.write_text(theirs)
    assert process.ended() == 2
    assert "audio-grpc.toml was written by somebody else meanwhile" in " ".join("".join(process.log).split())
    assert file.read_text() == theirs


def test_a_model_that_fails_says_why_and_the_others_are_tuned(file: Path) -> None:
    broken = '[transcribers.broken]\nbackend = "tone"\noptions = { fail_loading = true }\n'
    file.write_text(TONE + broken)
    done = tune("broken", "speaker", *QUICKLY, "--force", cwd=file.parent)
    assert done.returncode == 0, done.stderr
    assert "broken with threads 1 failed: " in done.stderr
    assert "model 'broken' could not be loaded: told to fail" in done.stderr
    assert "failed" in done.stdout
    models = tomllib.loads(file.read_text())
    assert "concurrency" in models["synthesizers"]["speaker"]
    assert "queue" not in models["transcribers"]["broken"]
    before = file.read_text()
    done = tune("broken", *QUICKLY, "--force", cwd=file.parent)
    assert done.returncode == 1
    assert "nothing could be measured, so nothing was written" in done.stderr
    assert file.read_text() == before


def test_nothing_is_written_of_what_a_busy_machine_has_measured(file: Path) -> None:
    burn = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(burn) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        done = tune("speaker", *QUICKLY, cwd=file.parent)
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert done.returncode == 1
    assert "of the cores meanwhile, so the figures say little" in " ".join(done.stderr.split())
    assert file.read_text() == TONE


def test_what_the_environment_says_is_told_to_count_more(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_GRPC_SYNTHESIZERS__SPEAKER__QUEUE", "7")
    done = tune("speaker", *QUICKLY, "--force", cwd=file.parent)
    assert done.returncode == 0, done.stderr
    assert "the environment has another speaker.queue" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nobody",), "no model is named 'nobody'; there are: speaker, listener"),
        (("--recording", "nowhere.wav"), "nowhere.wav"),
        (("--config", "nowhere.toml"), "nowhere.toml cannot be read"),
        (("--seconds", "0"), "0.1"),
    ],
)
def test_mistakes_are_named_before_anything_is_measured(
    file: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = tune(*arguments, cwd=file.parent)
    assert done.returncode != 0
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "loading" not in done.stderr


def test_a_recording_that_is_none_says_so(file: Path) -> None:
    done = tune("listener", *QUICKLY, "--recording", str(file), "--force", cwd=file.parent)
    assert done.returncode == 1
    assert "listener with threads 3 failed: " in done.stderr
    assert "Traceback" not in done.stderr


CHANGES = {("transcribers", "whisper-base"): {"threads": 2, "queue": 40, "cpu_threads": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "port = 1 # mine\n",
        "[transcribers.whisper-base]\nthreads = 1 # mine\n",
        "[transcribers]\n# mine\n[transcribers.whisper-base]\n[transcribers.whisper-base.options]\n"
        "beam = 1 # mine\n",
        "transcribers = { whisper-base = { queue = 1, options = { workers = 1 } } } # mine\n",
        "transcribers.whisper-base.threads = 1 # mine\ntranscribers.whisper-base.options.cpu_threads = 3\n",
        "[transcribers.'whisper-base']\r\nthreads = 1 # mine\r\n\r\n[transcribers.other]\r\nqueue = 1\r\n",
        "[transcribers.other]\nbackend = 'tone' # mine\n\n[envoy]\nport = 3\n",
    ],
)
def test_every_way_to_write_a_table_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(text.encode())
    file = ConfigurationFile(path, to_write=True)
    file.write(file.changed(CHANGES))
    written = path.read_bytes().decode()
    before, after = tomllib.loads(text), tomllib.loads(written)
    model = after["transcribers"]["whisper-base"]
    assert (model["threads"], model["queue"], model["options"]["cpu_threads"]) == (2, 40, 1)
    assert ("# mine" in written) == ("# mine" in text)
    assert {name: after[name] for name in before if name != "transcribers"} == {
        name: value for name, value in before.items() if name != "transcribers"
    }
    again = ConfigurationFile(path, to_write=True)
    assert again.changed(CHANGES) == written


def test_a_file_that_cannot_be_changed_says_what_to_write_there(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("transcribers = 3\n")
    with pytest.raises(ConfigurationError, match=r"write it there: .*whisper-base: .*'threads': 2"):
        ConfigurationFile(path, to_write=True).changed(CHANGES)


def tried(spec: ModelSpec, traits: Traits | None, machine: Machine) -> list[str]:
    return [str(one) for one in candidates(spec, traits, machine)]


def test_what_is_tried_follows_the_machine_and_begins_with_what_is_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whisper = ModelSpec("faster-whisper", threads=2)
    traits = FasterWhisper.traits
    expected = ["threads 2, cpu_threads 2", "threads 4, cpu_threads 2", "threads 4, cpu_threads 1"]
    expected += ["threads 1, cpu_threads 4"]
    assert tried(whisper, traits, QUAD) == expected
    on_gpu = Machine(4, "told", 16 * GIB, "told", (Gpu("Test GPU", 80 * GIB),))
    usable = Traits(unfit_for_gpu=lambda: "", options=traits.options)
    assert tried(whisper, usable, on_gpu)[:2] == ["batch_size 16", "batch_size 4"]
    assert tried(ModelSpec("tone"), None, QUAD) == ["threads 1", "threads 4"]
    assert tried(ModelSpec("openai-upstream"), Traits(is_elsewhere=True), QUAD) == []


def figures(alone: float, speed: float) -> Callable[[str], Measured]:
    def measured(name: str) -> Measured:
        candidate = Candidate({"threads": len(name)}, is_current=name == "now")
        return Measured(candidate, Figures(alone, speed, cpu_seconds=0.1, memory_bytes=1))

    return measured


@pytest.mark.parametrize(
    ("now", "other", "winner"),
    [
        ((0.5, 10), (0.5, 20), "other"),
        ((0.5, 10), (0.6, 20), "other"),
        ((0.5, 10), (0.9, 20), "now"),
        ((0.5, 10), (0.5, 10.5), "now"),
        ((0.9, 10), (0.5, 9), "other"),
    ],
)
def test_the_best_has_the_most_sound_and_serves_one_who_is_alone(
    now: tuple[float, float], other: tuple[float, float], winner: str
) -> None:
    found = best([figures(*now)("now"), figures(*other)("other"), Measured(Candidate(), None)])
    assert found is not None
    assert found[0].settings == {"threads": len(winner)}


def test_places_follow_from_the_speed_that_was_measured() -> None:
    candidate, measured = Candidate({"threads": 2}), Figures(0.1, 200.0, 0.01, 1)
    assert settings("synthesizer", candidate, measured, None) == {
        "threads": 2,
        "concurrency": 150,
        "queue": 150,
    }
    assert settings("transcriber", candidate, measured, 5) == {"threads": 2, "queue": 1200}
    assert settings("synthesizer", candidate, measured, 100)["concurrency"] == 100
    slow = Figures(0.1, 1.0, 0.01, 1)
    assert settings("synthesizer", candidate, slow, None) == {"threads": 2, "concurrency": 4, "queue": 32}


def test_help_has_examples() -> None:
    done = subprocess.run([COMMAND, "tune", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "audio-grpc tune --dry-run" in done.stdout
    assert "Examples" in done.stdout
