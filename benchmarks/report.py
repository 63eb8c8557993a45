"""The figures as a page."""

from collections.abc import Callable
from typing import Any

from benchmarks.beside.tables import tables
from benchmarks.page import HEAD, PARTS, TAIL


def page(results: dict[str, Any]) -> str:
    """The page of ``results``; parts whose figures are missing are left out."""
    machine = dict(results["machine"])
    machine["packages"] = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    measured = ", ".join(f"{section} on {date}" for section, date in results["measured"].items())
    text = HEAD.format(**machine, measured=measured)
    for key, part in PARTS.items():
        if key in results:
            text += part.format(rows=ROWS[key](results[key]))
    return text + TAIL.format(aims=_aims(results))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _synthesis(by_streams: dict[str, Any]) -> str:
    return "\n".join(_streams(streams, **both) for streams, both in by_streams.items())


def _streams(streams: str, bare: dict[str, float], served: dict[str, float]) -> str:
    return _row(
        streams,
        f"{bare['first_ms']:.1f} ms",
        f"{served['first_ms']:.1f} ms",
        f"{served['first_ms'] - bare['first_ms']:+.1f} ms",
        f"{bare['real_time_factor']:.4f}",
        f"{served['real_time_factor']:.4f}",
        f"{served['real_time_factor'] / bare['real_time_factor']:.2f}",
    )


def _kokoro(by_way: dict[str, dict[str, float]]) -> str:
    return "\n".join(
        _row(
            way,
            f"{figures['first_ms']:.0f} ms",
            f"{figures['real_time_factor']:.4f}",
            f"{figures['peak_megabytes']:.0f} MB",
        )
        for way, figures in by_way.items()
    )


def _live_speech(figures: dict[str, float]) -> str:
    whole, live, cancel = (figures[f"{name}_ms"] for name in ("whole", "live", "cancel"))
    return _row(f"{whole:.1f} ms", f"{live:.1f} ms", f"{live - whole:+.1f} ms", f"{cancel:.1f} ms")


def _live_hearing(by_callers: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        _row(
            callers,
            *(
                f"{figures[f'{what}_seconds']['median']:.2f} s, {figures[f'{what}_seconds']['p95']:.2f} s"
                for what in ("shown", "stable", "final", "complete")
            ),
            f"{figures['stable_words_changed']} of {figures['words']}",
            f"{figures['word_error_rate']:.1%}",
            f"{figures['offline_word_error_rate']:.1%}",
            f"{figures['hypotheses_a_second']:.1f}",
            f"{figures['cpu_seconds_a_second']:.2f} s",
        )
        for callers, figures in by_callers.items()
    )


def _transcription(both: dict[str, dict[str, float]]) -> str:
    bare, served = both["bare"], both["served"]
    return _row(
        f"{bare['first_ms']:.0f} ms",
        f"{served['first_ms']:.0f} ms",
        f"{bare['real_time_factor']:.3f}",
        f"{served['real_time_factor']:.3f}",
        f"{served['real_time_factor'] / bare['real_time_factor']:.2f}",
    )


def _clips(ways: dict[str, dict[str, dict[str, float]]]) -> str:
    return "\n".join(
        _row(
            way,
            callers,
            f"{figures['audio_per_second']:.1f}",
            f"{figures['cpu_seconds_a_second']:.2f} s",
            f"{figures['latency_seconds']:.2f}",
            f"{figures['worst_seconds']:.2f}",
            f"{figures['word_error_rate']:.1%}",
            f"{figures['equal']} of {figures['of']}",
            f"{figures['refused']}",
        )
        for way, by_callers in ways.items()
        for callers, figures in by_callers.items()
    )


def _long(by_minutes: dict[str, dict[str, dict[str, float]]]) -> str:
    return "\n".join(
        _row(
            minutes,
            way,
            f"{figures['times_real_time']:.1f}",
            f"{figures['cpu_seconds_an_hour']:.0f} s",
            f"{figures['first_seconds']:.1f} s",
            f"{figures['segments']}",
            f"{figures['word_error_rate']:.1%}",
            f"{figures['megabytes_beyond']:+.0f} MB",
        )
        for minutes, ways in by_minutes.items()
        for way, figures in ways.items()
    )


def _listeners(servers: dict[str, dict[str, dict[str, float]]]) -> str:
    return "\n".join(
        _row(
            server,
            listeners,
            f"{figures['first_ms']:.0f} ms",
            f"{figures['first_worst_ms']:.0f} ms",
            f"{figures['dry_share']:.1%}",
            f"{figures['dry_worst_seconds']:.2f} s",
            f"{figures['ran_dry']:.0%}",
            f"{figures['refused']}",
            f"{figures['audio_per_second']:.0f}",
        )
        for server, by_listeners in servers.items()
        for listeners, figures in by_listeners.items()
    )


def _pipeline(by_end: dict[str, dict[str, float]]) -> str:
    rows = []
    for name, figures in by_end.items():
        transcript, token, audio, total = (
            figures[f"{stage}_ms"] for stage in ("transcript", "token", "audio", "total")
        )
        steps = (transcript, token - transcript, audio - token, audio, total)
        rows.append(_row(name, *(f"{step:.0f} ms" for step in steps)))
    return "\n".join(rows)


def _throughput(both: dict[str, dict[str, float]]) -> str:
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


def _elsewhere(ways: dict[str, dict[str, float]]) -> str:
    return "\n".join(
        _row(name, *(f"{figures[f'{what}_ms']:.1f} ms" for what in ("median", "worst", "before_the_rest")))
        for name, figures in ways.items()
    )


def _memory(figures: dict[str, float]) -> str:
    bare, served = figures["bare"], figures["served"]
    return _row(f"{bare:.0f} MB", f"{served:.0f} MB", f"{served - bare:.0f} MB")


def _aims(results: dict[str, Any]) -> str:
    rows = [aim for key, aims in AIMS.items() if key in results for aim in aims(results[key])]
    return "\n".join(_row(aim, figure, "met" if met else "**missed**") for aim, figure, met in rows)


Aim = tuple[str, str, bool]


def _first_audio(by_streams: dict[str, Any]) -> list[Aim]:
    added = by_streams["1"]["served"]["first_ms"] - by_streams["1"]["bare"]["first_ms"]
    return [("first audio at one stream: less than 2 ms added", f"{added:.1f} ms", added < 2)]


def _chunks(both: dict[str, dict[str, float]]) -> list[Aim]:
    ratio = both["served"]["chunks_per_second"] / both["bare"]["chunks_per_second"]
    return [("tone speaker: at least 0.8 of the bare server", f"{ratio:.2f}", ratio >= 0.8)]


def _through_doors(doors: dict[str, Any]) -> list[Aim]:
    through = doors["HTTP, Envoy and gateway"]["first_ms"] - doors["gRPC"]["first_ms"]
    worst = max(figures["paced_gaps_ms"]["worst"] for figures in doors.values())
    return [
        ("Envoy and gateway: less than 5 ms added to the first audio", f"{through:.1f} ms", through < 5),
        ("100 paced streams: every gap below 100 ms", f"{worst:.0f} ms", worst < 100),
    ]


def _beyond_the_models(figures: dict[str, float]) -> list[Aim]:
    beyond = figures["served"] - figures["bare"]
    return [("less than 120 MB beyond the models", f"{beyond:.0f} MB", beyond < 120)]


def _passed_on(ways: dict[str, dict[str, float]]) -> list[Aim]:
    late = max(figures["median_ms"] for figures in ways.values())
    return [("a provider's first byte: at the caller within 20 ms", f"{late:.1f} ms", late < 20)]


def _live_words(by_callers: dict[str, dict[str, Any]]) -> list[Aim]:
    changed = sum(figures["stable_words_changed"] for figures in by_callers.values())
    behind = max(
        figures["word_error_rate"] - figures["offline_word_error_rate"] for figures in by_callers.values()
    )
    return [
        ("live: no stable word changes", f"{changed}", changed == 0),
        ("live: at most 2 points more errors than of the recording", f"{100 * behind:.1f}", behind <= 0.02),
    ]


def _answers(by_end: dict[str, dict[str, float]]) -> list[Aim]:
    first = by_end["caller"]["audio_ms"]
    return [("pipeline: first audio within 1000 ms of the question", f"{first:.0f} ms", first < 1000)]


def _many_clips(ways: dict[str, dict[str, dict[str, float]]]) -> list[Aim]:
    bare, ours = (by_callers.get("8") for by_callers in ways.values())
    if not bare or not ours:
        return []
    ratio = ours["audio_per_second"] / bare["audio_per_second"]
    return [("clips of 8 callers: at least 4 times bare faster-whisper", f"{ratio:.1f}", ratio >= 4)]


def _hours(by_minutes: dict[str, dict[str, dict[str, float]]]) -> list[Aim]:
    aims: list[Aim] = []
    if "10" in by_minutes:
        speed = by_minutes["10"]["default"]["times_real_time"]
        aims.append(("10 minutes: at 20 times real time", f"{speed:.1f}", speed >= 20))
    if "60" in by_minutes:
        beyond = by_minutes["60"]["default"]["megabytes_beyond"]
        aims.append(("an hour: in at most 150 MB beyond the model", f"{beyond:.0f} MB", beyond <= 150))
    return aims


def _crowd(servers: dict[str, dict[str, dict[str, float]]]) -> list[Aim]:
    plain, ours = (by_listeners.get("100") for by_listeners in servers.values())
    if not plain or not ours:
        return []
    return [
        (
            f"100 listeners: first audio at most the plain server's, {which}",
            f"{ours[name]:.0f} ms to {plain[name]:.0f} ms",
            ours[name] <= plain[name],
        )
        for which, name in (("median", "first_ms"), ("worst", "first_worst_ms"))
    ] + [
        (
            "100 listeners: none runs dry, none is refused",
            f"{ours['ran_dry']:.0%}, {ours['refused']}",
            not ours["ran_dry"] and not ours["refused"],
        )
    ]


def _beside_the_graph(by_way: dict[str, dict[str, float]]) -> list[Aim]:
    bare, ours = by_way["bare graph"], by_way["default"]
    more = ours["real_time_factor"] / bare["real_time_factor"] - 1
    return [
        ("Kokoro: first audio within 350 ms", f"{ours['first_ms']:.0f} ms", ours["first_ms"] <= 350),
        ("Kokoro: real-time factor within 5 % of the bare graph", f"{more:+.0%}", more <= 0.05),
    ]


ROWS: dict[str, Callable[[Any], str]] = {
    "synthesis": _synthesis,
    "live_speech": _live_speech,
    "transcription": _transcription,
    "live_hearing": _live_hearing,
    "pipeline": _pipeline,
    "clips": _clips,
    "long": _long,
    "streams": _listeners,
    "kokoro": _kokoro,
    "throughput": _throughput,
    "doors": _doors,
    "elsewhere": _elsewhere,
    "memory": _memory,
    "peers": tables,
}
AIMS: dict[str, Callable[[Any], list[Aim]]] = {
    "clips": _many_clips,
    "long": _hours,
    "streams": _crowd,
    "kokoro": _beside_the_graph,
    "synthesis": _first_audio,
    "throughput": _chunks,
    "doors": _through_doors,
    "memory": _beyond_the_models,
    "elsewhere": _passed_on,
    "live_hearing": _live_words,
    "pipeline": _answers,
}
