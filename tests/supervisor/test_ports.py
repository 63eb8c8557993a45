"""The ports of a stack: each has one setting, which errors name."""

import socket
from typing import Any

import pytest

from audio_grpc.config import EnvoySettings, Settings
from audio_grpc.errors import ConfigurationError
from audio_grpc.supervisor.ports import require_ports
from tests.envoy.front import free_ports


def settings(**changes: Any) -> Settings:
    port, inside, admin, gateway, server, metrics = free_ports(6)
    envoy: dict[str, Any] = {
        "port": port,
        "inside_port": inside,
        "admin_port": admin,
        "gateway": f"127.0.0.1:{gateway}",
    }
    envoy |= changes.pop("envoy", {})
    given: dict[str, Any] = {"port": server, "metrics_port": metrics, "envoy": EnvoySettings(**envoy)}
    return Settings(**given | changes)


def test_ports_that_are_free_and_differ_are_taken() -> None:
    require_ports(settings(), llm=False)
    require_ports(settings(port=0, metrics_port=0, replicas=3), llm=False)


def taken(setting: str, port: int) -> Settings:
    if setting in ("port", "metrics_port"):
        return settings(**{setting: port})
    return settings(envoy={setting: f"127.0.0.1:{port}" if setting == "gateway" else port})


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("port", r"change port \(AUDIO_GRPC_PORT\)"),
        ("metrics_port", "change metrics_port"),
        *((name, rf"change \[envoy\] {name}") for name in ("inside_port", "admin_port")),
        ("gateway", r"change \[gateway\] port \(AUDIO_GATEWAY_PORT\)"),
    ],
)
def test_an_error_names_the_setting_of_a_port_in_use(setting: str, named: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigurationError, match=named):
            require_ports(taken(setting, other.getsockname()[1]), llm=False)


def test_a_port_in_two_settings_is_refused() -> None:
    [port] = free_ports(1)
    with pytest.raises(ConfigurationError, match=rf"port {port} is that of \[envoy\] admin_port and of port"):
        require_ports(settings(port=port, envoy={"admin_port": port}), llm=False)
