"""``audio-grpc tune``."""

import difflib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from audio_grpc import config
from audio_grpc.addresses import target
from audio_grpc.backends import registry
from audio_grpc.backends.base import ModelSpec, Traits
from audio_grpc.backends.choosing import choose, most_calls
from audio_grpc.cli.console import ConfigOption, console, fail, results
from audio_grpc.errors import ConfigurationError
from audio_grpc.machine import Machine, this_machine
from audio_grpc.settings_file import DEFAULT_FILE
from audio_grpc.tuning.candidates import Candidate, candidates
from audio_grpc.tuning.file import ConfigurationFile
from audio_grpc.tuning.measuring import Kind, MeasuredTask
from audio_grpc.tuning.process import MeasuringFailed, run
from audio_grpc.tuning.verdict import BUSY, Measured, best, settings

EXAMPLES = """
Examples:

audio-grpc tune

audio-grpc tune --dry-run

audio-grpc tune whisper-base --seconds 10 --recording meeting.wav

audio-grpc tune --config gpu.toml --callers 32
"""
TABLES = {"synthesizer": "synthesizers", "transcriber": "transcribers"}
FEWEST_CALLERS, CALLERS_ON_GPU = 4, 32
ANSWER_SECONDS = 0.5

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Subject:
    """A model to measure."""

    kind: Kind
    name: str
    spec: ModelSpec
    traits: Traits | None
    machine: Machine
    tried: list[Candidate]


@app.command(epilog=EXAMPLES)
def tune(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Which of the configured models. [all]")
    ] = None,
    config_file: ConfigOption = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each candidate works, beside loading.")
    ] = 4.0,
    callers: Annotated[
        int | None,
        typer.Option(min=1, help=r"Callers at the same time. \[two a core, at least 4; 32 on a GPU]"),
    ] = None,
    recording: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="What transcribers hear; can be repeated. [sentences that a model speaks]"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write even what was measured while other programs were busy.")
    ] = False,
) -> None:
    """Measure a few seconds of real work in each way to run a model here, and configure the best.

    What is tried changes how fast a model is, never what comes out of it. The best one has the most sound in
    a second with several callers, among those where a caller alone waits hardly longer than at best. It is
    written into the configuration, where all else stays as it is. Stop servers before, as they share the
    cores. Ctrl-C ends it, and the configuration stays as it was.
    """
    path = config_file or DEFAULT_FILE
    configured = config.load(config_file)
    file = ConfigurationFile(path, to_write=not dry_run)
    machine = this_machine(configured.memory_limit_bytes, configured.replicas)
    subjects = list(_subjects(configured, models or [], machine))
    results.print(escape(str(machine)), soft_wrap=True)
    _warn_of_server(target(configured.host, configured.port))
    changes: dict[tuple[str, str], dict[str, int]] = {}
    taken_by_others = 0.0
    try:
        with TemporaryDirectory() as folder, _progress(subjects) as on_step:
            heard = _Recordings(tuple(recording or ()), configured, Path(folder), on_step)
            for subject in subjects:
                count = callers or _callers(subject)
                measured = [_measured(subject, one, count, seconds, heard, on_step) for one in subject.tried]
                results.print(_table(subject, measured, count))
                if found := best(measured):
                    tuned = settings(subject.kind, *found, most_calls(subject.traits, subject.machine))
                    changes[TABLES[subject.kind], subject.name] = dict(tuned)
                taken_by_others = max(taken_by_others, *(one.taken_by_others for one in measured))
    except KeyboardInterrupt:
        console.print(f"interrupted; {escape(str(path))} is as it was")
        raise
    if not changes:
        fail("nothing could be measured, so nothing was written")
    if taken_by_others > BUSY and not force and not dry_run:
        fail(
            f"other programs took {taken_by_others:.0%} of the cores meanwhile, so the figures say little. "
            "Nothing was written; stop them and run this again, or write it nevertheless with --force"
        )
    _write(file, file.changed(changes), dry_run)
    _warn_of_environment(config_file, changes, dry_run)


def _subjects(configured: config.Settings, names: list[str], machine: Machine) -> Iterator[Subject]:
    """The models that can be measured, of those that are asked for. ConfigurationError for unknown names."""
    found = [*configured.synthesizers, *configured.transcribers]
    if unknown := [name for name in names if name not in found]:
        raise ConfigurationError(f"no model is named {unknown[0]!r}; there are: {', '.join(found)}")
    kinds: tuple[tuple[Kind, Callable[[str], type]], ...] = (
        ("synthesizer", registry.synthesizer),
        ("transcriber", registry.transcriber),
    )
    for kind, find in kinds:
        for name, spec in getattr(configured, TABLES[kind]).items():
            if names and name not in names:
                continue
            traits = getattr(find(spec.backend), "traits", None)
            tried = candidates(spec, traits, machine)
            if not tried:
                console.print(f"{escape(name)} is computed elsewhere, so there is nothing to measure")
                continue
            yield Subject(kind, name, spec, traits, machine, tried)


class _Recordings:
    """The recordings that transcribers hear: the files named, or sentences that a synthesiser speaks once."""

    def __init__(
        self,
        named: tuple[Path, ...],
        configured: config.Settings,
        folder: Path,
        on_step: Callable[[str], None],
    ) -> None:
        for path in named:
            path.open("rb").close()  # OSError before anything is measured
        self._paths = tuple(path.resolve() for path in named)
        self._configured = configured
        self._folder = folder
        self._on_step = on_step

    def paths(self) -> tuple[Path, ...]:
        """Returns the files. MeasuringFailed if no model here speaks."""
        if not self._paths:
            self._speak()
            self._paths = tuple(sorted(self._folder.glob("*.wav")))
        return self._paths

    def _speak(self) -> None:
        problems = []
        for name, spec in {**self._configured.synthesizers, "hibari": ModelSpec("hibari")}.items():
            traits = getattr(registry.synthesizer(spec.backend), "traits", None)
            if traits is not None and traits.is_elsewhere:
                continue
            try:
                self._on_step(f"{name} speaks what is to be heard")
                run(MeasuredTask("synthesizer", name, spec, 1, 0, folder=self._folder), lambda _: None)
                return
            except MeasuringFailed as error:
                problems.append(f"{name}: {error}")
        raise MeasuringFailed(
            f"no model here speaks what is to be heard ({'; '.join(problems)}); name a file with --recording"
        )


def _measured(
    subject: Subject,
    candidate: Candidate,
    callers: int,
    seconds: float,
    recordings: _Recordings,
    on_step: Callable[[str], None],
) -> Measured:
    # What the configuration leaves open follows the candidate, as it will when that is written.
    spec = choose(candidate.applied(subject.spec), subject.traits, subject.machine).spec
    try:
        heard = recordings.paths() if subject.kind == "transcriber" else ()
        figures = run(
            MeasuredTask(subject.kind, subject.name, spec, callers, seconds, heard),
            lambda step: on_step(f"{subject.name} with {candidate}: {step}"),
        )
        return Measured(candidate, figures)
    except MeasuringFailed as error:
        console.print(f"{escape(subject.name)} with {candidate} failed: {escape(str(error))}", soft_wrap=True)
        return Measured(candidate, None)
    finally:
        on_step("")


def _callers(subject: Subject) -> int:
    on_gpu = any("batch_size" in one.settings for one in subject.tried) and subject.machine.gpus
    return CALLERS_ON_GPU if on_gpu else max(FEWEST_CALLERS, 2 * subject.machine.cores)


@contextmanager
def _progress(subjects: list[Subject]) -> Iterator[Callable[[str], None]]:
    """A line that says what is going on; what it yields takes a step, or an empty one when one is done."""
    columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=sum(len(subject.tried) for subject in subjects))

        def on_step(step: str) -> None:
            bar.update(task, description=step, advance=0 if step else 1)
            if step and not console.is_terminal:
                console.print(escape(step))

        yield on_step


def _table(subject: Subject, measured: list[Measured], callers: int) -> Table:
    found = best(measured)
    waited = "first sound" if subject.kind == "synthesizer" else "transcript"
    table = Table(
        *(subject.name, f"alone: {waited}", f"{callers} callers: sound a second", "CPU a second of sound"),
        *("memory", ""),
    )
    for one in measured:
        note = "now" if one.candidate.is_current else ""
        if one.figures is None:
            table.add_row(str(one.candidate), "", "", "", "", "[red]failed[/red]")
            continue
        if found and one.candidate is found[0]:
            note = "[green]best[/green]" + (", as now" if note else "")
        table.add_row(
            str(one.candidate),
            f"{one.figures.alone_seconds * 1000:.0f} ms",
            f"{one.figures.speed:.1f} s",
            f"{one.figures.cpu_seconds * 1000:.0f} ms",
            decimal(one.figures.memory_bytes),
            note,
        )
    return table


def _write(file: ConfigurationFile, text: str, dry_run: bool) -> None:
    lines = difflib.unified_diff(
        file.text.splitlines(), text.splitlines(), str(file.path), f"{file.path}, tuned", lineterm="", n=1
    )
    difference = "\n".join(lines)
    if difference:
        results.print(escape(difference), soft_wrap=True)
    if dry_run:
        console.print(f"{escape(str(file.path))} is as it was: this was a dry run")
    elif text == file.text:
        console.print(f"{escape(str(file.path))} has all of it already")
    else:
        file.write(text)
        console.print(f"wrote {escape(str(file.path))}; servers take it up when they are started again")


def _warn_of_server(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError:
        return
    console.print(f"[yellow]a server is running at {address}, and shares the cores with this[/yellow]")


def _warn_of_environment(
    config_file: Path | None, changes: dict[tuple[str, str], dict[str, int]], dry_run: bool
) -> None:
    """Warns if the environment has other values than those just written, because it overrides the file."""
    if dry_run:
        return
    now = config.load(config_file)
    for (table, name), wanted in changes.items():
        spec = getattr(now, table)[name]
        for setting, value in wanted.items():
            if (getattr(spec, setting, None) or spec.options.get(setting)) != value:
                console.print(
                    f"[yellow]the environment has another {escape(f'{name}.{setting}')}, "
                    "which counts more than the file[/yellow]"
                )
