"""The embedded model is put together whole, once, and never used damaged."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.embedded_whisper import PREPARED, SHA256, whisper_base
from audio_grpc.backends.faster_whisper import FasterWhisper
from audio_grpc.backends.progress import listening
from audio_grpc.errors import ConfigurationError

JOIN = "import sys, pathlib; from audio_grpc.backends.embedded_whisper import whisper_base; " + (
    "print(whisper_base(pathlib.Path(sys.argv[1])))"
)


def test_processes_that_start_at_once_get_the_same_whole_model(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", JOIN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    folders = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    (folder,) = folders
    assert {path.name for path in Path(folder).iterdir()} == set(SHA256)
    left = {path.name for path in tmp_path.iterdir()} - {Path(folder).name}
    assert all(name.endswith(".lock") for name in left), "nothing half-made stays behind"


def test_a_damaged_model_is_made_again(tmp_path: Path) -> None:
    folder = whisper_base(tmp_path)
    (folder / "config.json").write_text("{}")
    (folder / "vocabulary.txt").unlink()
    assert whisper_base(tmp_path) == folder
    assert {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == SHA256


def test_the_work_on_it_is_told_step_by_step(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    with listening(lambda done, step: told.append((done, step))):
        whisper_base(tmp_path)
        whisper_base(tmp_path)
    joining = [done for done, step in told if step == "joining"]
    assert len(joining) > 100
    assert joining == sorted(joining)
    verifying = [done for done, step in told if step == "verifying"]
    assert max(verifying) == pytest.approx(PREPARED)
    assert told[-1][0] == pytest.approx(PREPARED / 3), "the second time it is only read once"


def test_packages_that_hold_something_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHA256, "tokenizer.json", "0" * 64)
    with pytest.raises(RuntimeError, match="reinstall them"):
        whisper_base(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_whole_model_is_only_read(tmp_path: Path) -> None:
    """The folder may be read-only, like an image's."""
    folder = whisper_base(tmp_path)
    folder.with_suffix(".lock").unlink(missing_ok=True)
    folder.with_suffix(".lock").mkdir()  # so that it cannot be locked
    assert whisper_base(tmp_path) == folder


def test_where_it_cannot_be_put_is_said_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be put there \(.+\): name a folder .* cache_path"):
        whisper_base(Path("/proc/self/nowhere"))


@pytest.mark.parametrize(
    "change", [{"path": "/no/such/folder"}, {"device": "cpu:x"}, {"compute_type": "int7"}]
)
def test_what_cannot_be_loaded_is_said_in_one_line_with_what_to_change(change: dict[str, str]) -> None:
    model = FasterWhisper(ModelSpec("faster-whisper", **change))  # type: ignore[arg-type]
    with pytest.raises(
        ConfigurationError, match=r"cannot be loaded on the device .*; path is a folder"
    ) as caught:
        model.load()
    assert "\n" not in str(caught.value)
