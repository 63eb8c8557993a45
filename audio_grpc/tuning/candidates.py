"""The ways to run a model that are worth a try on a machine. None of them changes what comes out of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from audio_grpc.backends.base import ModelSpec, Traits
from audio_grpc.backends.choosing import MOST_WORKERS, choose
from audio_grpc.machine import Machine

BATCH_SIZES = (4, 8, 16, 32)
THREADS_ON_GPU = (1, 2, 4)
FIELDS = ("threads", "concurrency", "queue")


@dataclass(frozen=True)
class Candidate:
    """Settings of a model, by name: fields of its table (``FIELDS``), or options of the backend."""

    settings: Mapping[str, int] = field(default_factory=dict)
    is_current: bool = False
    """True if the model is run like this now."""

    def applied(self, spec: ModelSpec) -> ModelSpec:
        """Returns the model with these settings, as a configuration that has them would give it."""
        fields: dict[str, Any] = {name: value for name, value in self.settings.items() if name in FIELDS}
        options = {name: value for name, value in self.settings.items() if name not in FIELDS}
        return replace(spec, **fields, options={**spec.options, **options})

    def __str__(self) -> str:
        """Returns its settings for people."""
        return ", ".join(f"{name} {value}" for name, value in self.settings.items())


def candidates(spec: ModelSpec, traits: Traits | None, machine: Machine) -> list[Candidate]:
    """Returns what to try; the first is how the model is run now. A model that is elsewhere has none."""
    plan = choose(spec, traits, machine)
    now = {"threads": plan.spec.sizes.threads} | {one: choice.value for one, choice in plan.choices.items()}
    if traits is None:
        varied = [{"threads": threads} for threads in (1, machine.cores)]
    elif traits.is_elsewhere:
        return []
    elif not str(now["device"]).startswith("cuda"):
        varied = list(_on_cpu(spec, traits, machine.cores))
    elif "batch_size" in traits.options:
        varied = [{"batch_size": size} for size in BATCH_SIZES]
    else:
        varied = [{"threads": threads} for threads in THREADS_ON_GPU]
    current = {name: int(now[name]) for name in varied[0]}
    others = [Candidate(settings) for settings in varied if settings != current]
    return [Candidate(current, is_current=True), *others]


def _on_cpu(spec: ModelSpec, traits: Traits, cores: int) -> Iterator[dict[str, int]]:
    """Yields how cores are shared among workers: many of one core, one of all, and what is between."""
    workers_are = "workers" if spec.options.get("workers") is not None else "threads"
    has_threads = "cpu_threads" in traits.options
    # Joined windows were slower on every CPU; so one who has configured them tries it without.
    alone = {"batch_size": 1} if spec.options.get("batch_size", 1) != 1 else {}
    each = sorted({1, 2, 4, cores} & set(range(1, cores + 1))) if has_threads else [1]
    tried = set()
    for threads in each:
        workers = min(max(cores // threads, 1), MOST_WORKERS)
        tried.add((workers, max(cores // workers, 1)))
    if not has_threads:
        tried.add((1, 1))
    elif 1 < cores <= MOST_WORKERS:
        tried.add((cores, 2))
    for workers, threads in sorted(tried, reverse=True):
        yield {workers_are: workers} | ({"cpu_threads": threads} if has_threads else {}) | alone
