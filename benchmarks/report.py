"""The figures as a page."""

from pathlib import Path
from typing import Any

TEMPLATE = """\
# Benchmarks

Written by `make bench` on {date}; the figures are in `results.json` too. Everything is measured beside its
yardstick in the same run, in turns, {cores} cores of {cpu}, {memory_gigabytes} GB, Python {python}
({packages}).
Each figure is the median of three rounds. Client and server share the machine.

## Synthesize beside hibari's own generator

The same text of four sentences in the same pieces. *Bare* is the generator in as many threads as there are
streams, with no server; *served* is an asyncio client of the server, PCM. Streams take turns in the server
where bare threads compete, so with many streams the first audio of the served ones comes earlier.

| streams | first audio, bare | served | added | real-time factor, bare | served | ratio |
|--:|--:|--:|--:|--:|--:|--:|
{synthesis}

## The speakers beside each other

The same text, one call at a time, on all cores, with no server.

| speaker | first audio | real-time factor | peak memory |
|---|--:|--:|--:|
{speakers}

## Text that is still being written beside the same text given whole

hibari speaks the same four sentences, sent in tokens of four characters: from the character that makes the
first sentence certain to its first sound, beside the first sound of the text given whole. Then the rest is
sent, and cancelled at once: how long it takes until the answer says that the model has stopped.

| first audio, whole | live | added | cancelled after |
|--:|--:|--:|--:|
{live_speech}

## Transcribe beside faster-whisper

Five recordings of 3 to 7 seconds of human speech, one after the other, beam size 5.

| first segment, bare | served | real-time factor, bare | served | ratio |
|--:|--:|--:|--:|--:|
{transcription}

## Transcriptions at the same moment

The same recordings from 1, 4 and 8 callers at once, beam size 5, language given, two CPU threads for the
model in every row. *Bare* is faster-whisper with its callers in a pool of threads. *Equal* counts the
transcripts that are, to the letter, those of the bare library. On a CPU batches are not the way to go faster,
which is why they are the default on a GPU only.

| | callers | audio seconds a second | seconds a call, median | worst | equal |
|---|--:|--:|--:|--:|--:|
{concurrent}

## Throughput of the tone speaker beside a bare grpc.aio server

One stream of 4800-byte chunks (100 ms of sound), the same Python client. The bare server sends one constant,
a chunk a message; the tone speaker goes through splitting, generator, threads and 16-bit conversion, and
lets chunks that wait for the reader together travel in one message. *First message* is what a call costs
before anything is computed; it is a part of the first audio of the served streams above.

| | chunks a second | chunks a message | server's CPU a chunk | first message |
|---|--:|--:|--:|--:|
{throughput}

## The doors beside each other

hibari speaks the same text through each door, one call at a time, the doors in turns: first sound, and the
CPU seconds that an hour of sound costs each process. Then 100 calls that begin within a second, each with a
chunk of 100 ms every 50 ms: the time between two arrivals at the client. The HTTP client reads sockets by
hand; all of it shares the machine.

| door | first audio | added | server's CPU | gateway's | Envoy's | gaps: median | 99 % | worst |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
{doors}

## Memory

Peak resident memory of the server after all of the above but the throughput, beside one process that loaded
both models and used them once.

| bare | served | beyond the models |
|--:|--:|--:|
{memory}

## On a GPU

CosyVoice and Whisper large-v3 on a CUDA GPU have a script of their own, `python -m benchmarks.gpu`. It
prints a table, and writes `gpu-results.json` beside this file, with the name of the GPU. Where the weights
are not at hand it measures random ones of their full size, which cost the same for each token.

## Aims

| aim | measured | |
|---|--:|---|
{aims}
"""


def write(results: dict[str, Any], path: Path) -> None:
    """Put ``results`` into the page at ``path``."""
    machine = dict(results["machine"])
    machine["packages"] = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    page = TEMPLATE.format(
        **machine,
        synthesis="\n".join(_synthesis(streams, both) for streams, both in results["synthesis"].items()),
        live_speech=_live_speech(**results["live_speech"]),
        transcription=_transcription(**results["transcription"]),
        concurrent=_concurrent(results["concurrent"]),
        throughput=_throughput(**results["throughput"]),
        speakers="\n".join(
            _row(
                name,
                f"{figures['first_ms']:.0f} ms",
                f"{figures['real_time_factor']:.4f}",
                f"{figures['peak_megabytes']:.0f} MB",
            )
            for name, figures in results["speakers"].items()
        ),
        doors=_doors(results["doors"]),
        memory=_memory(**results["memory"]),
        aims=_aims(results),
    )
    path.write_text(page)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _synthesis(streams: str, both: dict[str, dict[str, float]]) -> str:
    bare, served = both["bare"], both["served"]
    return _row(
        streams,
        f"{bare['first_ms']:.1f} ms",
        f"{served['first_ms']:.1f} ms",
        f"{served['first_ms'] - bare['first_ms']:+.1f} ms",
        f"{bare['real_time_factor']:.4f}",
        f"{served['real_time_factor']:.4f}",
        f"{served['real_time_factor'] / bare['real_time_factor']:.2f}",
    )


def _live_speech(whole_ms: float, live_ms: float, cancel_ms: float) -> str:
    return _row(
        f"{whole_ms:.1f} ms", f"{live_ms:.1f} ms", f"{live_ms - whole_ms:+.1f} ms", f"{cancel_ms:.1f} ms"
    )


def _transcription(bare: dict[str, float], served: dict[str, float]) -> str:
    return _row(
        f"{bare['first_ms']:.0f} ms",
        f"{served['first_ms']:.0f} ms",
        f"{bare['real_time_factor']:.3f}",
        f"{served['real_time_factor']:.3f}",
        f"{served['real_time_factor'] / bare['real_time_factor']:.2f}",
    )


def _concurrent(ways: dict[str, dict[str, dict[str, float]]]) -> str:
    return "\n".join(
        _row(
            way,
            callers,
            f"{figures['audio_per_second']:.1f}",
            f"{figures['latency_seconds']:.2f}",
            f"{figures['worst_seconds']:.2f}",
            f"{figures['equal']} of {figures['of']}",
        )
        for way, by_callers in ways.items()
        for callers, figures in by_callers.items()
    )


def _throughput(**both: dict[str, float]) -> str:
    return "\n".join(
        _row(
            name,
            f"{figures['chunks_per_second']:.0f}",
            f"{figures['chunks_per_message']:.1f}",
            f"{figures['server_cpu_microseconds']:.0f} µs",
            f"{figures['first_message_ms']:.1f} ms",
        )
        for name, figures in both.items()
    )


def _doors(doors: dict[str, Any]) -> str:
    direct = doors["gRPC"]["first_ms"]
    return "\n".join(
        _row(
            name,
            f"{figures['first_ms']:.1f} ms",
            f"{figures['first_ms'] - direct:+.1f} ms",
            *(f"{figures['cpu_seconds_an_hour'][who]:.1f} s" for who in ("server", "gateway", "Envoy")),
            *(f"{figures['paced_gaps_ms'][which]:.0f} ms" for which in ("median", "p99", "worst")),
        )
        for name, figures in doors.items()
    )


def _memory(bare: float, served: float) -> str:
    return _row(f"{bare:.0f} MB", f"{served:.0f} MB", f"{served - bare:.0f} MB")


def _aims(results: dict[str, Any]) -> str:
    one = results["synthesis"]["1"]
    added = one["served"]["first_ms"] - one["bare"]["first_ms"]
    throughput = results["throughput"]
    ratio = throughput["served"]["chunks_per_second"] / throughput["bare"]["chunks_per_second"]
    doors = results["doors"]
    through = doors["HTTP, Envoy and gateway"]["first_ms"] - doors["gRPC"]["first_ms"]
    worst = max(figures["paced_gaps_ms"]["worst"] for figures in doors.values())
    beyond = results["memory"]["served"] - results["memory"]["bare"]
    rows = [
        ("first audio at one stream: less than 2 ms added", f"{added:.1f} ms", added < 2),
        ("tone speaker: at least 0.8 of the bare server", f"{ratio:.2f}", ratio >= 0.8),
        ("Envoy and gateway: less than 5 ms added to the first audio", f"{through:.1f} ms", through < 5),
        ("100 paced streams: every gap below 100 ms", f"{worst:.0f} ms", worst < 100),
        ("less than 120 MB beyond the models", f"{beyond:.0f} MB", beyond < 120),
    ]
    return "\n".join(_row(aim, figure, "met" if met else "**missed**") for aim, figure, met in rows)
