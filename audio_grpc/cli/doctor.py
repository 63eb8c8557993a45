"""``audio-grpc doctor``."""

import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from rich.markup import escape

from audio_grpc import config
from audio_grpc.addresses import target
from audio_grpc.backends import registry
from audio_grpc.backends.base import ModelSpec, Synthesizer, Transcriber
from audio_grpc.backends.choosing import plan
from audio_grpc.cli.console import ConfigOption, KeyOption, ServerOption, TlsCaOption, results, tls
from audio_grpc.client import Client, ServiceError, Tls
from audio_grpc.machine import Machine, this_machine

EXAMPLES = """
Examples:

audio-grpc doctor

audio-grpc doctor --config gpu.toml --server 10.0.0.5:50051
"""
PACKAGES = (
    *("audio-grpc", "grpcio", "protobuf", "av", "numpy"),
    *("hibari-tts", "onnxruntime", "faster-whisper", "ctranslate2", "sounddevice"),
)
GOOD, BAD, NEUTRAL = "[green]ok[/green]     ", "[red]failed[/red] ", "[dim]-[/dim]      "
INDENT = " " * 7
ANSWER_SECONDS = 2.0

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def doctor(
    config_file: ConfigOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
    load: Annotated[bool, typer.Option(help="Try to load every configured model, here.")] = True,
) -> None:
    """Say what is installed, how the configured models are run here and why, and whether a server answers.

    What says "as configured" is from the configuration; all else was chosen from what the machine has.
    Ends with status 1 if a model cannot be loaded.
    """
    settings = config.load(config_file)
    machine = this_machine(settings.memory_limit_bytes, settings.replicas)
    results.print(f"Python {platform.python_version()} on {platform.platform()}, {_packages()}")
    results.print(escape(str(machine)), soft_wrap=True)
    results.print("\nBackends")
    for line in _backends():
        results.print(line)
    results.print("\nCosyVoice")
    for line in _cosyvoice(settings):
        results.print(line, soft_wrap=True)
    results.print("\nModels")
    failed = 0
    for kind, find, models in (
        ("synthesizer", registry.synthesizer, settings.synthesizers),
        ("transcriber", registry.transcriber, settings.transcribers),
    ):
        failed += sum(not _try_model(name, kind, find, spec, load, machine) for name, spec in models.items())
    results.print("\nServer")
    results.print(_server(server or target(settings.host, settings.port), key, tls(tls_ca)))
    sys.exit(1 if failed else 0)


def _packages() -> str:
    return ", ".join(f"{name} {_version(name)}" for name in PACKAGES)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _backends() -> Iterator[str]:
    for group in (registry.SYNTHESIZERS, registry.TRANSCRIBERS):
        kind = group.rpartition(".")[2].removesuffix("s")
        for name, point in sorted(registry.installed(group).items()):
            yield f"{NEUTRAL}{name} ({kind}) from {point.value}"


def _cosyvoice(settings: config.Settings) -> Iterator[str]:
    """Yields findings about CosyVoice, which needs more than a package, for each checkout in the settings."""
    from audio_grpc.backends.cosyvoice.requirements import findings

    models = [spec for spec in settings.synthesizers.values() if spec.backend == "cosyvoice"]
    for checkout in {spec.options.get("cosyvoice_path") for spec in models} or {None}:
        for finding in findings(Path(checkout) if checkout else None):
            mark = GOOD if finding.good else BAD if models else NEUTRAL
            yield mark + escape(finding.text)


def _try_model(
    name: str, kind: str, find: Callable[[str], Any], spec: ModelSpec, load: bool, machine: Machine
) -> bool:
    began = time.perf_counter()
    try:
        chosen = plan(spec, find(spec.backend), machine)
        backend: Synthesizer | Transcriber = find(spec.backend)(chosen.spec)
        if load:
            backend.load()
            backend.close()
    except Exception as error:  # whatever a backend throws is the diagnosis
        results.print(f"{BAD}{name} ({kind}, {spec.backend}): {escape(str(error))}", soft_wrap=True)
        return False
    how = f"loaded in {time.perf_counter() - began:.1f} s" if load else "configured, not tried"
    results.print(f"{GOOD}{escape(name)} ({kind}, {spec.backend}): {how}", soft_wrap=True)
    for name, choice in chosen.choices.items():
        results.print(
            f"{INDENT}{name:<13} {escape(str(choice.value)):<8} [dim]{escape(choice.why)}[/dim]",
            soft_wrap=True,
        )
    return True


def _server(address: str, key: str | None, tls: Tls | None) -> str:
    try:
        with Client(address, api_key=key, tls=tls) as client:
            serving = client.is_serving(timeout=ANSWER_SECONDS)
            models = ", ".join(model.name for model in client.list_models())
    except ServiceError as error:
        if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return f"{NEUTRAL}no server answers at {address}; start one with: audio-grpc serve"
        return f"{BAD}{address} answers {error.code.name}: {error}"
    return f"{GOOD if serving else BAD}{address} is {'' if serving else 'not '}serving: {models}"
