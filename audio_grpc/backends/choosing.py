"""Chooses what the configuration leaves open of a model, from the machine and what its backend tells.

Pure functions: the same model on the same machine gets the same numbers. What they go by was measured on two
cores; `audio-grpc tune` measures on the machine itself, and writes what it finds into the configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from audio_grpc.backends.base import PLAIN, ModelSpec, Traits
from audio_grpc.machine import GIB, Machine

CONFIGURED = "as configured"
MEMORY_SHARE = 4
"""One model plans with this part of the memory: the others, and all else, want some as well."""
MOST_WORKERS = 8
"""The most workers: more would wait for each other in Python; beyond, each gets more threads."""
SMALL_GPU_BYTES, LARGE_GPU_BYTES = 6 * GIB, 24 * GIB
BATCH_SIZE, SMALL_BATCH_SIZE, LARGE_BATCH_SIZE = 8, 4, 16
REAL_TIME_SHARE = 0.75
"""The part of the measured speed to plan with: the rest is for encoding, the network and others."""
QUEUE_SECONDS = 30.0
"""The longest wait, in seconds, of a call that is admitted."""
CLIP_SECONDS = 5.0
"""Recordings of this length are what is reckoned with."""
GPU_QUEUE = 64
BATCHED_THREADS = 8
"""Threads whose calls meet in a backend's own engine; with as many calls again that wait for their turns."""


@dataclass(frozen=True)
class ChosenValue:
    """A value, and the reason for it."""

    value: int | str
    why: str


@dataclass(frozen=True)
class Expected:
    """The speed that the places of a speaker were chosen by, and those that follow from another one."""

    speed: float
    """Seconds of sound in a second, of all workers together."""
    places: Callable[[float], int]
    """Tells how many places there are at such a speed: more at a higher one, as far as the memory goes.

    Not fewer at a lower one: those who wait would have their first sound much later.
    """


@dataclass(frozen=True)
class ChosenSpec:
    """The settings with which a model is run."""

    spec: ModelSpec
    """The configured one, with what was chosen filled in."""
    choices: Mapping[str, ChosenValue]
    """Choices by the name of the setting or option, in the order in which they follow from each other."""
    expected: Expected | None = None
    """None: the number of places is configured, or follows from something else than speed."""


def plan(spec: ModelSpec, backend: type[Any], machine: Machine) -> ChosenSpec:
    """Chooses for a model of this backend class; one that has no ``traits`` gets plain numbers."""
    return choose(spec, getattr(backend, "traits", None), machine)


def choose(spec: ModelSpec, traits: Traits | None, machine: Machine) -> ChosenSpec:
    """Chooses from what the machine has, what the backend tells of itself, and what is configured."""
    if traits is None:
        return _filled(spec, _plain(spec, "the backend tells nothing of itself"))
    if traits.is_elsewhere:
        return _filled(spec, _plain(spec, "the model is elsewhere, and what it has there is not known"))
    device = _device(spec, traits, machine)
    on_gpu = str(device.value).startswith("cuda")
    gpu_bytes = _gpu_bytes(str(device.value), machine) if on_gpu else None
    chosen = {"device": device, "compute_type": _compute_type(spec, traits, on_gpu, gpu_bytes)}
    options = dict(spec.options)
    if "batch_size" in traits.options:
        chosen["batch_size"] = _set(options.get("batch_size")) or _batch_size(on_gpu, gpu_bytes)
    batch = int(chosen["batch_size"].value) if "batch_size" in chosen else 1
    workers = _workers(spec, traits, machine, batches=on_gpu or batch > 1)
    chosen["workers" if "workers" in traits.options else "threads"] = workers
    if "cpu_threads" in traits.options:
        threads = _cpu_threads(spec, traits, machine, int(workers.value), on_gpu)
        chosen["cpu_threads"] = _set(options.get("cpu_threads")) or threads
    size = _concurrency(traits, machine, int(workers.value), batch, on_gpu)
    chosen["concurrency"] = concurrency = _set(spec.concurrency) or size
    chosen["queue"] = _set(spec.queue) or _queue(traits, machine, int(concurrency.value), on_gpu)
    filled = _filled(spec, chosen)
    if spec.concurrency is None and batch == 1 and not on_gpu and traits.in_real_time and traits.speed:
        return replace(
            filled, expected=_expected(traits, machine, int(workers.value), int(concurrency.value))
        )
    return filled


def most_calls(traits: Traits | None, machine: Machine) -> int | None:
    """Returns how many calls there is memory for; None if that is not known."""
    if traits is None or not traits.call_bytes or machine.memory_bytes is None:
        return None
    return machine.memory_bytes // MEMORY_SHARE // traits.call_bytes


def places(speaks: bool, speed: float, workers: int, most: int | None = None) -> dict[str, int]:
    """Returns how many calls a model serves that was measured: ``speed`` seconds of sound in a second.

    A speaker has as many in progress as it speaks to in real time, but at most so many as there is memory
    for; of a transcriber so many wait as it hears in the time that they may wait.
    """
    if speaks:
        served = int(REAL_TIME_SHARE * speed)
        concurrency = max(served if most is None else min(served, most), _fewest(workers))
        return {"concurrency": concurrency, "queue": max(PLAIN.queue, concurrency)}
    return {"queue": max(PLAIN.queue, round(speed * QUEUE_SECONDS / CLIP_SECONDS))}


def _fewest(workers: int) -> int:
    """Returns how many speak at the same time at least, even if some of them run dry."""
    return max(PLAIN.concurrency, 2 * workers)


def _set(value: int | None) -> ChosenValue | None:
    return None if value is None else ChosenValue(value, CONFIGURED)


def _plain(spec: ModelSpec, why: str) -> dict[str, ChosenValue]:
    return {
        name: _set(getattr(spec, name)) or ChosenValue(getattr(PLAIN, name), why)
        for name in ("threads", "concurrency", "queue")
    }


def _filled(spec: ModelSpec, chosen: Mapping[str, ChosenValue]) -> ChosenSpec:
    values: dict[str, Any] = {name: choice.value for name, choice in chosen.items()}
    fields = {name: values.pop(name) for name in list(values) if hasattr(spec, name)}
    if spec.threads is None and "workers" in values:
        fields["threads"] = values["workers"]
    return ChosenSpec(replace(spec, **fields, options={**spec.options, **values}), chosen)


def _device(spec: ModelSpec, traits: Traits, machine: Machine) -> ChosenValue:
    if spec.device != "auto":
        return ChosenValue(spec.device, CONFIGURED)
    if traits.unfit_for_gpu is None:
        return ChosenValue("cpu", "the backend runs on CPUs only")
    if not machine.gpus:
        return ChosenValue("cpu", "no NVIDIA GPU was found")
    if reason := traits.unfit_for_gpu():
        return ChosenValue("cpu", f"there is an {machine.gpus[0].name}, but {reason}")
    return ChosenValue("cuda", f"there is an {machine.gpus[0].name}")


def _gpu_bytes(device: str, machine: Machine) -> int | None:
    _, _, index = device.partition(":")
    there = machine.gpus[int(index or 0) :] if (index or "0").isdecimal() else ()
    return there[0].memory_bytes if there else None


def _compute_type(spec: ModelSpec, traits: Traits, on_gpu: bool, gpu_bytes: int | None) -> ChosenValue:
    if spec.compute_type != "auto":
        return ChosenValue(spec.compute_type, CONFIGURED)
    if not on_gpu:
        return ChosenValue(*traits.cpu_type)
    if traits.small_gpu_type and gpu_bytes is not None and gpu_bytes < SMALL_GPU_BYTES:
        return ChosenValue(traits.small_gpu_type, f"the GPU has less than {_gib(SMALL_GPU_BYTES)}")
    return ChosenValue(*traits.gpu_type)


def _batch_size(on_gpu: bool, gpu_bytes: int | None) -> ChosenValue:
    if not on_gpu:
        return ChosenValue(
            1, "on a CPU, windows of several calls are computed faster side by side than together"
        )
    if gpu_bytes is not None and gpu_bytes < SMALL_GPU_BYTES:
        return ChosenValue(SMALL_BATCH_SIZE, f"the GPU has less than {_gib(SMALL_GPU_BYTES)}")
    if gpu_bytes is not None and gpu_bytes >= LARGE_GPU_BYTES:
        return ChosenValue(LARGE_BATCH_SIZE, f"the GPU has {_gib(gpu_bytes)}")
    return ChosenValue(BATCH_SIZE, "a GPU computes several windows in hardly more time than one")


def _workers(spec: ModelSpec, traits: Traits, machine: Machine, batches: bool) -> ChosenValue:
    given = spec.options.get("workers") if "workers" in traits.options else None
    if given is not None:
        return ChosenValue(given, CONFIGURED)
    if batches and "batch_size" in traits.options:
        return ChosenValue(1, "batches take the place of workers")
    if spec.threads is not None:
        return ChosenValue(spec.threads, f"{CONFIGURED} (threads)")
    if traits.batches_itself(spec):
        return ChosenValue(BATCHED_THREADS, "its engine computes calls as one batch that are there together")
    if not traits.worker_cores:
        return ChosenValue(PLAIN.threads, traits.why_worker_cores)
    most = min(max(machine.cores // traits.worker_cores, 1), MOST_WORKERS)
    if machine.memory_bytes and traits.worker_bytes:
        fit = max(machine.memory_bytes // MEMORY_SHARE // traits.worker_bytes, 1)
        if fit < most:
            what = f"{traits.worker_bytes >> 20} MB each in a quarter of {_gib(machine.memory_bytes)}"
            return ChosenValue(fit, f"{machine.cores} cores, but memory for {fit} ({what})")
    if most == MOST_WORKERS:
        return ChosenValue(most, f"{_count(machine.cores, 'core')}, and more workers wait for each other")
    return ChosenValue(most, f"{_count(machine.cores, 'core')}, {traits.why_worker_cores}")


def _cpu_threads(
    spec: ModelSpec, traits: Traits, machine: Machine, workers: int, on_gpu: bool
) -> ChosenValue:
    if on_gpu:
        return ChosenValue(1, "the GPU computes")
    each = max(machine.cores // workers, 1)
    if each == 1 and machine.cores > 1 and traits.wants_two_threads(spec):
        return ChosenValue(
            2, "so that one call alone is faster; several are as fast as with one thread for each"
        )
    return ChosenValue(each, f"{_count(machine.cores, 'core')} for {_count(workers, 'worker')}")


def _concurrency(traits: Traits, machine: Machine, workers: int, batch: int, on_gpu: bool) -> ChosenValue:
    if batch > 1:
        return ChosenValue(2 * batch * workers, "while one batch is computed, the next one gathers")
    if on_gpu or not traits.speed:
        return ChosenValue(max(PLAIN.concurrency, 2 * workers), "the speed of this backend here is not known")
    if traits.in_real_time:
        cores = _cores(traits, machine, workers)
        served = places(True, traits.speed * cores, workers)["concurrency"]
        why = (
            f"so many are spoken to in real time: {traits.speed:g} seconds of sound a second on a core, "
            f"of {_count(cores, 'core')} {REAL_TIME_SHARE:.0%}; more where it turns out to be faster"
        )
        least = _fewest(workers)
        wanted = ChosenValue(
            served, why if served > least else "as few as make sense: the model is slow here"
        )
    else:
        why = "one more than workers: a short recording gets turns beside long ones, and few share their time"
        least, wanted = workers, ChosenValue(workers + 1, why)
    most = most_calls(traits, machine)
    if most is None or machine.memory_bytes is None or max(most, least) >= int(wanted.value):
        return wanted
    what = f"{traits.call_bytes >> 20} MB each in a quarter of {_gib(machine.memory_bytes)}"
    return ChosenValue(max(most, least), f"memory for no more calls at a time ({what})")


def _cores(traits: Traits, machine: Machine, workers: int) -> int:
    """Returns how many cores the workers use."""
    return min(machine.cores, workers * max(traits.worker_cores, 1))


def _expected(traits: Traits, machine: Machine, workers: int, fewest: int) -> Expected:
    most = most_calls(traits, machine)
    return Expected(
        traits.speed * _cores(traits, machine, workers),
        lambda speed: max(fewest, places(True, speed, workers, most)["concurrency"]),
    )


def _queue(traits: Traits, machine: Machine, concurrency: int, on_gpu: bool) -> ChosenValue:
    if on_gpu or not traits.speed:
        return ChosenValue(
            max(GPU_QUEUE if on_gpu else PLAIN.queue, concurrency), "a wait of moderate length"
        )
    if traits.in_real_time:
        return ChosenValue(max(PLAIN.queue, concurrency), "as many calls wait as are in progress")
    return ChosenValue(
        places(False, traits.speed * machine.cores, 1)["queue"],
        f"clips of {CLIP_SECONDS:g} s for {QUEUE_SECONDS:g} s of work, "
        f"at {traits.speed:g} seconds of sound a second on a core; {PLAIN.queue} at least",
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}".removesuffix(".0") + " GiB"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
