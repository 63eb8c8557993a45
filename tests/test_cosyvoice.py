"""CosyVoice as far as it goes without torch; tests/cosyvoice has the rest."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice import CosyVoice, requirements
from audio_grpc.errors import ConfigurationError
from tests.conftest import COMMAND


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"path": None}, "needs a path: its directory, or its name on the Hugging Face hub"),
        ({"device": "cuda:1"}, "choose one of several GPUs with CUDA_VISIBLE_DEVICES"),
        ({"compute_type": "bfloat16"}, "it has: auto, float32, float16"),
        ({"options": {"fast": True}}, "fast"),
        ({"options": {"max_token_ratio": 1}}, "max_token_ratio: .* greater than or equal to 2"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        CosyVoice(ModelSpec(**{"backend": "cosyvoice", "path": "x"} | fields))


@pytest.mark.parametrize(
    ("description", "rate", "languages"),
    [("cosyvoice.yaml", 22050, 5), ("cosyvoice2.yaml", 24000, 5), ("cosyvoice3.yaml", 24000, 10)],
)
def test_a_local_model_is_described_before_it_is_loaded(
    tmp_path: Path, description: str, rate: int, languages: int
) -> None:
    (tmp_path / description).touch()
    info = CosyVoice(ModelSpec("cosyvoice", path=str(tmp_path))).info
    assert (info.sample_rate_hertz, len(info.language_codes), info.cloning) == (rate, languages, True)


def test_loading_names_all_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name == "torch" else object())
    model = CosyVoice(ModelSpec("cosyvoice", path="x", options={"cosyvoice_path": str(tmp_path)}))
    with pytest.raises(RuntimeError) as failure:
        model.load()
    assert "not installed: torch; install with: make cosyvoice in a clone, or pip" in str(failure.value)
    assert "git clone --recursive" in str(failure.value)


def test_doctor_says_where_the_code_is_and_what_is_missing(tmp_path: Path) -> None:
    checkout = tmp_path / "CosyVoice"
    for file in ("cosyvoice/cli/cosyvoice.py", "third_party/Matcha-TTS/matcha/utils/audio.py"):
        (checkout / file).parent.mkdir(parents=True)
        (checkout / file).touch()
    config = tmp_path / "cosyvoice.toml"
    config.write_text(
        '[synthesizers.here]\nbackend = "cosyvoice"\npath = "x"\n'
        f'options = {{ cosyvoice_path = "{checkout}" }}\n'
        '[synthesizers.gone]\nbackend = "cosyvoice"\npath = "x"\n'
        'options = { cosyvoice_path = "/nowhere" }\n'
    )
    command = [COMMAND, "doctor", "--no-load", "--config", str(config), "--server", "127.0.0.1:1"]
    report = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert f"ok     CosyVoice's code is in {checkout}/cosyvoice" in report
    assert "failed CosyVoice's code is incomplete: there is no /nowhere/cosyvoice/cli/cosyvoice.py" in report
    assert "packages are installed" in report or "pip install '.[cosyvoice]'" in report
