"""Measures CosyVoice and Whisper on a CUDA GPU; without their weights, on random ones of their full size.

First chunk and real-time factor of CosyVoice through the service's adapter, at 1, 2, 4 and 8 streams; Whisper
on CTranslate2 in batches of 1, 8 and 32 windows of 30 seconds. Needs a clone of this repository, the GPU for
itself, 10 GB for temporary files, and for all of it:

    make cosyvoice
    .venv-cosyvoice/bin/python -m pip install ctranslate2
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audio_grpc.errors import ConfigurationError
from benchmarks import gpu_cosyvoice, gpu_whisper
from benchmarks.gpu_device import machine

RESULTS = Path(__file__).with_name("gpu-results.json")
PARTS = ("whisper", "cosyvoice")
EXAMPLES = """\
examples:
  python -m benchmarks.gpu                         random CosyVoice 2, Whisper large-v3-turbo and large-v3
  python -m benchmarks.gpu --only cosyvoice --cosyvoice-version 3 --cosyvoice-path /opt/CosyVoice
  python -m benchmarks.gpu --only cosyvoice --model-dir /models/CosyVoice2-0.5B
  python -m benchmarks.gpu --only whisper --whisper /models/faster-whisper-large-v3-turbo
  python -m benchmarks.gpu --device cpu --tiny     try the script out, without a GPU
"""
Figures = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=PARTS, help="measure only this")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model-dir", type=Path, metavar="DIR", help="a CosyVoice model with its weights")
    which.add_argument(
        "--cosyvoice-version", type=int, choices=(1, 2, 3), default=2, help="of the random one (default: 2)"
    )
    parser.add_argument(
        "--cosyvoice-path",
        type=Path,
        metavar="DIR",
        help="checkout of CosyVoice's code, which version 3 needs (default: the copy in xinference)",
    )
    parser.add_argument(
        "--whisper", type=Path, metavar="DIR", help="a Whisper model with its weights, for CTranslate2"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="(default: cuda)")
    parser.add_argument("--tiny", action="store_true", help="random models of one small layer, one round")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="JSON of all figures (default: benchmarks/gpu-results.json; with --tiny none)",
    )
    return parser.parse_args()


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def measure(options: argparse.Namespace) -> Iterator[Figures]:
    """All results so far, after each part."""
    parts = [options.only] if options.only else PARTS
    model = gpu_cosyvoice.Model(
        device=options.device,
        directory=options.model_dir,
        version=options.cosyvoice_version,
        checkout=options.cosyvoice_path,
        tiny=options.tiny,
    )
    # What is missing is said before anything takes minutes.
    if "whisper" in parts:
        gpu_whisper.check(options.device)
    if "cosyvoice" in parts:
        gpu_cosyvoice.check(model)
    results: Figures = {"machine": machine(options.device)}
    with tempfile.TemporaryDirectory(prefix="audio-grpc-gpu-") as folder:
        # CTranslate2 gives its memory back, torch keeps it: hence in this order.
        if "whisper" in parts:
            workload = gpu_whisper.Workload(options.device, options.tiny)
            results["whisper"] = list(gpu_whisper.measure(options.whisper, workload, Path(folder), say))
            yield results
        if "cosyvoice" in parts:
            results["cosyvoice"] = list(gpu_cosyvoice.measure(model, Path(folder), say))
            yield results


def table(results: Figures) -> str:
    """The figures in Markdown."""
    machine = results["machine"]
    on = machine["gpu"] and f"{machine['gpu']}, {machine['gpu_gigabytes']} GB, driver {machine['driver']}"
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    lines = [f"{machine['date']}, {on or machine['cpu']}; {packages}"]
    if "cosyvoice" in results:
        lines += ["", *_cosyvoice(results["cosyvoice"])]
    if "whisper" in results:
        lines += ["", *_whisper(results["whisper"])]
    return "\n".join(lines)


def _cosyvoice(rows: list[Figures]) -> Iterator[str]:
    yield "| | weights | streams | first chunk | worst | real-time factor | of all | speech | peak memory |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    for row in rows:
        yield _row(
            f"{row['model']}, {row['compute_type']}",
            row["weights"],
            str(row["streams"]),
            f"{row['first_ms']:.0f} ms",
            f"{row['first_worst_ms']:.0f} ms",
            f"{row['stream_real_time_factor']:.3f}",
            f"{row['real_time_factor']:.3f}",
            f"{row['speech_seconds']:.1f} s",
            f"{row['peak_memory_megabytes'] / 1000:.1f} GB",
        )


def _whisper(rows: list[Figures]) -> Iterator[str]:
    yield "| | weights | batch | encode | generate | audio a second | peak memory |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for row in rows:
        yield _row(
            f"Whisper {row['model']}, {row['compute_type']}",
            row["weights"],
            str(row["batch"]),
            f"{row['encode_seconds'] * 1000:.0f} ms",
            f"{row['generate_seconds'] * 1000:.0f} ms",
            f"{row['audio_seconds_a_second']:.0f} s",
            f"{row['peak_memory_megabytes'] / 1000:.1f} GB",
        )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    options = arguments()
    out = options.out or (None if options.tiny else RESULTS)
    results: Figures = {}
    try:
        for results in measure(options):
            if out is not None:
                out.write_text(json.dumps(results, indent=2) + "\n")
    except (RuntimeError, ConfigurationError) as error:
        sys.exit(f"benchmarks.gpu: {error}")
    print(table(results))


if __name__ == "__main__":
    main()
