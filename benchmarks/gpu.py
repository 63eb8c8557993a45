"""Measures CosyVoice and Whisper on a CUDA GPU; without their weights, on random ones of their full size.

First chunk and audio seconds a second of CosyVoice through the service's adapter, with 1, 4, 8 and 16
callers; of Whisper large-v3-turbo on CTranslate2, through the service's batches, with 1, 8 and 32. It takes
the minutes that it is given, prints each row when it has it, and wants the GPU for itself, and 8 GB for
temporary files.

On a machine with nothing but PyTorch, and no network:

    python -m benchmarks.gpu_pack gpu.tar.xz         where there is one; 64 MiB at most
    tar xf gpu.tar.xz && cd gpu && python -m benchmarks.gpu

In a clone of this repository, all that it needs comes with:

    make cosyvoice
    .venv-cosyvoice/bin/python -m pip install ctranslate2
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import gpu_stand_ins
from benchmarks.gpu_callers import Budget
from benchmarks.gpu_cublas import lend_cublas
from benchmarks.gpu_device import machine

RESULTS = Path(__file__).with_name("gpu-results.json")
SHARES = {"whisper": 1 / 3, "cosyvoice": 1.0}
"""Each part's share of the time that is left; torch comes last, as it gives no memory back."""
EXAMPLES = """\
examples:
  python -m benchmarks.gpu                         random CosyVoice 2 and Whisper large-v3-turbo
  python -m benchmarks.gpu --only cosyvoice --cosyvoice-version 3 --cosyvoice-path /opt/CosyVoice
  python -m benchmarks.gpu --only cosyvoice --model-dir /models/CosyVoice2-0.5B
  python -m benchmarks.gpu --only whisper --whisper /models/faster-whisper-large-v3-turbo
  python -m benchmarks.gpu --device cpu --tiny --minutes 1     try the script out, without a GPU
"""
Figures = dict[str, Any]
COLUMNS: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "model": ("model", lambda row: f"{row['model']}, {row['compute_type']}, {row['weights']} weights"),
    "callers": ("callers", lambda row: str(row["callers"])),
    "calls": ("calls", lambda row: str(row["calls"])),
    "first_ms": ("first chunk", lambda row: f"{row['first_ms']:.0f} ms"),
    "first_worst_ms": ("worst", lambda row: f"{row['first_worst_ms']:.0f} ms"),
    "window_ms": ("a window of 30 s", lambda row: f"{row['window_ms']:.0f} ms"),
    "window_worst_ms": ("worst", lambda row: f"{row['window_worst_ms']:.0f} ms"),
    "audio_seconds_a_second": ("audio a second", lambda row: f"{row['audio_seconds_a_second']:.1f} s"),
    "peak_memory_megabytes": ("peak memory", lambda row: f"{row['peak_memory_megabytes'] / 1000:.1f} GB"),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=tuple(SHARES), help="measure only this")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model-dir", type=Path, metavar="DIR", help="a CosyVoice model with its weights")
    which.add_argument(
        "--cosyvoice-version", type=int, choices=(1, 2, 3), default=2, help="of the random one (default: 2)"
    )
    parser.add_argument(
        "--cosyvoice-path",
        type=Path,
        metavar="DIR",
        help="checkout of CosyVoice's code, which version 3 needs (default: what is packed, or xinference's)",
    )
    parser.add_argument(
        "--whisper", type=Path, metavar="DIR", help="a Whisper model with its weights, for CTranslate2"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="(default: cuda)")
    parser.add_argument(
        "--compute-type", choices=("float16", "float32"), help="(default: float16 on a GPU, float32 on a CPU)"
    )
    parser.add_argument("--tiny", action="store_true", help="random models of one small layer")
    parser.add_argument("--minutes", type=float, default=8.0, help="that all of it takes (default: 8)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="JSON of all figures (default: benchmarks/gpu-results.json; with --tiny none)",
    )
    options = parser.parse_args()
    options.compute_type = options.compute_type or ("float16" if options.device == "cuda" else "float32")
    return options


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def parts(options: argparse.Namespace) -> dict[str, Callable[[Path, Budget], Iterator[Figures]]]:
    """Returns the functions that measure each part if they find that they can; each imports what it needs."""

    def whisper(folder: Path, budget: Budget) -> Iterator[Figures]:
        from benchmarks import gpu_whisper

        gpu_whisper.check(options.device)
        workload = gpu_whisper.Workload(options.device, options.tiny, options.compute_type)
        return gpu_whisper.measure(options.whisper, workload, folder, budget, say)

    def cosyvoice(folder: Path, budget: Budget) -> Iterator[Figures]:
        from benchmarks import gpu_cosyvoice

        model = gpu_cosyvoice.Model(
            device=options.device,
            directory=options.model_dir,
            version=options.cosyvoice_version,
            checkout=options.cosyvoice_path,
            tiny=options.tiny,
            compute_type=options.compute_type,
        )
        gpu_cosyvoice.check(model)
        return gpu_cosyvoice.measure(model, folder, budget, say)

    return {"whisper": whisper, "cosyvoice": cosyvoice}


def measure(options: argparse.Namespace) -> Iterator[Figures]:
    """All results so far, after each row. A part that fails does not keep the next from it."""
    budget = Budget(60 * options.minutes)
    stood_in = gpu_stand_ins.install()
    results: Figures = {"machine": machine(options.device) | {"stood_in": stood_in}, "failed": {}}
    print(heading(results["machine"]), flush=True)
    with tempfile.TemporaryDirectory(prefix="audio-grpc-gpu-") as folder:
        for name, part in parts(options).items():
            if options.only not in (None, name):
                continue
            rows = results[name] = []
            share = 1.0 if options.only else SHARES[name]
            try:
                for row in part(Path(folder), budget.share(share)):
                    print_row(row, is_first=not rows)
                    rows.append(row)
                    yield results
            except Exception as error:  # whatever it is, what was measured is kept
                results["failed"][name] = f"{type(error).__name__}: {error}"
                say(f"{name}: {error}")
                yield results


def heading(machine: Figures) -> str:
    """Returns the line about the machine and its packages."""
    on = machine["gpu"] and f"{machine['gpu']}, {machine['gpu_gigabytes']} GB, driver {machine['driver']}"
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return f"{machine['date']}, {on or machine['cpu']}; {packages}"


def print_row(row: Figures, is_first: bool) -> None:
    """One line of a table in Markdown; the first brings the head."""
    columns = [column for name, column in COLUMNS.items() if name in row]
    if is_first:
        print(f"\n| {' | '.join(name for name, _ in columns)} |")
        print(f"|---|{'--:|' * (len(columns) - 1)}")
    print(f"| {' | '.join(cell(row) for _, cell in columns)} |", flush=True)


def main() -> None:
    options = arguments()
    if options.device == "cuda":
        lend_cublas("benchmarks.gpu")
    out = options.out or (None if options.tiny else RESULTS)
    failed: Figures = {}
    try:
        for results in measure(options):
            failed = results["failed"]
            if out is not None:
                out.write_text(json.dumps(results, indent=2) + "\n")
    except RuntimeError as error:
        sys.exit(f"benchmarks.gpu: {error}")
    if failed:
        sys.exit("benchmarks.gpu: " + "; ".join(f"{name}: {why}" for name, why in failed.items()))


if __name__ == "__main__":
    main()
