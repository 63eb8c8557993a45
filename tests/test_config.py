"""Settings: where they come from, and what is said of wrong ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audio_gateway import config as gateway_config
from audio_grpc import config, settings_file
from audio_grpc.addresses import target
from audio_grpc.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, so that no file of the developer's is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults_are_the_embedded_pair_on_the_loopback() -> None:
    settings = config.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 50051)
    assert settings.synthesizers["hibari"].backend == "hibari"
    assert settings.transcribers["whisper-base"].backend == "faster-whisper"


def test_arguments_beat_the_environment_which_beats_the_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "audio-grpc.toml").write_text('host = "file"\nport = 1\nlog_level = "ERROR"\n')
    monkeypatch.setenv("AUDIO_GRPC_PORT", "2")
    monkeypatch.setenv("AUDIO_GRPC_HOST", "environment")
    settings = config.load(port=3)
    assert (settings.port, settings.host, settings.log_level) == (3, "environment", "ERROR")


def test_a_default_model_can_be_tuned_without_repeating_it(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = elsewhere / "mine.toml"
    file.write_text("[synthesizers.hibari]\nthreads = 7\n")
    hibari = config.load(file).synthesizers["hibari"]
    assert (hibari.backend, hibari.threads, hibari.resident) == ("hibari", 7, True)
    monkeypatch.setenv("AUDIO_GRPC_SYNTHESIZERS__HIBARI__QUEUE", "5")
    assert config.load(file).synthesizers["hibari"].queue == 5


def test_models_of_the_file_take_the_place_of_the_default_ones(elsewhere: Path) -> None:
    file = elsewhere / "mine.toml"
    file.write_text(
        '[transcribers.large]\nbackend = "faster-whisper"\npath = "large-v3"\ndevice = "cuda:1"\n'
    )
    settings = config.load(file)
    assert list(settings.transcribers) == ["large"]
    assert list(settings.synthesizers) == ["hibari"]


def test_one_file_serves_the_server_and_the_gateway(elsewhere: Path) -> None:
    (elsewhere / "audio-grpc.toml").write_text('port = 1\n[gateway]\nport = 2\nserver = "speech:1"\n')
    assert config.load().port == 1
    gateway = gateway_config.load()
    assert (gateway.port, gateway.server) == (2, "speech:1")


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("prot = 1", "prot"),
        ("port = 70000", "port"),
        ("port = 'x'", "port"),
        ("[synthesizers.a]\nbackend = 'tone'\nthraeds = 2", "synthesizers.a.thraeds"),
        ("[synthesizers.a]\nbackend = 'tone'\nthreads = 0", "synthesizers.a.threads"),
        ("[synthesizers.a]\nthreads = 2", "synthesizers.a.backend"),
        ("synthesizers = 3", "synthesizers"),
        ("port = ", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(elsewhere: Path, toml: str, complaint: str) -> None:
    file = elsewhere / "wrong.toml"
    file.write_text(toml)
    with pytest.raises(ConfigurationError, match=complaint):
        config.load(file)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"gpu\.toml cannot be read"):
        config.load(Path("gpu.toml"))


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_GRPC_PROT", "1")
    with pytest.raises(ConfigurationError, match=r"AUDIO_GRPC_PROT is no setting; there are: .*_PORT"):
        config.load()


@pytest.mark.parametrize(
    ("toml", "variables", "address"),
    [
        ("", {}, "127.0.0.1:50051"),
        ('host = "::1"\nport = 1\n', {}, "[::1]:1"),
        ('host = "file"\nport = 1\n', {"AUDIO_GRPC_PORT": "2"}, "file:2"),
        ('host = "file"\n', {"AUDIO_GRPC_HOST": "unix:/run/speech"}, "unix:/run/speech"),
    ],
)
def test_a_client_finds_the_server_where_it_is_configured(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, toml: str, variables: dict[str, str], address: str
) -> None:
    (elsewhere / "audio-grpc.toml").write_text(toml)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = config.load()
    assert settings_file.server_address() == target(settings.host, settings.port) == address


@pytest.mark.parametrize("toml", ["port = 'x'", "host = 1", "port = 1.5", "port = "])
def test_a_client_is_told_of_an_address_that_is_none(elsewhere: Path, toml: str) -> None:
    (elsewhere / "audio-grpc.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match=r"no address of a server|not TOML"):
        settings_file.server_address()


def test_settings_do_not_change() -> None:
    settings = config.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize(
    ("lines", "variables", "address"),
    [
        ("", {}, "127.0.0.1:8081"),
        ("[gateway]\nport = 9000\n", {}, "127.0.0.1:9000"),
        ("[gateway]\nport = 9000\n", {"AUDIO_GATEWAY_PORT": "9001"}, "127.0.0.1:9001"),
        ('[gateway]\nhost = "10.0.0.5"\n', {}, "10.0.0.5:8081"),
        ('[gateway]\nhost = "0.0.0.0"\nport = 9000\n', {}, "127.0.0.1:9000"),
        ('[gateway]\nport = 9000\n[envoy]\ngateway = "10.0.0.6:8081"\n', {}, "10.0.0.6:8081"),
    ],
)
def test_envoy_looks_for_the_gateway_where_it_listens(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, lines: str, variables: dict[str, str], address: str
) -> None:
    (elsewhere / "audio-grpc.toml").write_text(lines)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert config.load().envoy.gateway == address


@pytest.mark.parametrize("load", [config.load, gateway_config.load])
class TestTheFile:
    """The configuration as an editor may have saved it, or somebody mistyped it."""

    def test_may_begin_with_a_byte_order_mark_and_have_lines_of_windows(
        self, elsewhere: Path, load: Callable[[], Any]
    ) -> None:
        (elsewhere / "audio-grpc.toml").write_bytes(b"\xef\xbb\xbfport = 3\r\n[gateway]\r\nport = 3\r\n")
        assert load().port == 3

    @pytest.mark.parametrize("codec", ["utf-16", "latin-1"])
    def test_that_is_not_utf_8_is_named(self, elsewhere: Path, load: Callable[[], Any], codec: str) -> None:
        (elsewhere / "audio-grpc.toml").write_bytes("port = 3 # \xe9\n".encode(codec))
        with pytest.raises(ConfigurationError, match=r"audio-grpc\.toml is not UTF-8 text"):
            load()

    def test_that_cannot_be_read_is_named(self, elsewhere: Path, load: Callable[[], Any]) -> None:
        (elsewhere / "audio-grpc.toml").symlink_to("audio-grpc.toml")  # root could read any other file
        with pytest.raises(ConfigurationError, match=r"audio-grpc\.toml cannot be read"):
            load()

    def test_with_a_mistyped_name_tells_which_is_meant(
        self, elsewhere: Path, load: Callable[[], Any]
    ) -> None:
        (elsewhere / "audio-grpc.toml").write_text("prot = 3\n[gateway]\nprot = 3\n")
        with pytest.raises(ConfigurationError, match=r"^prot is no setting; did you mean port\?$"):
            load()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('backends = "tone"', r"synthesizers\.mine\.backends is no setting; did you mean backend\?"),
        ('backend = "tone"\nzzz = 1', r"synthesizers\.mine\.zzz is no setting; see docs/guides/configure"),
    ],
)
def test_a_mistyped_name_of_a_model_tells_which_is_meant(elsewhere: Path, written: str, said: str) -> None:
    (elsewhere / "audio-grpc.toml").write_text(f"[synthesizers.mine]\n{written}\n")
    with pytest.raises(ConfigurationError, match=said):
        config.load()
