"""The figures of all servers as tables."""

from typing import Any

DIFFERS = {
    "audio-grpc": "the server alone, its own contract, default settings",
    "audio-grpc-http": "the same through Envoy and gateway, as OpenAI's API; three processes, all counted",
    "speaches": "batches within a recording, never falls back to other temperatures, no timestamps in the "
    "text; int8 set, web page off, torch and diarization left out",
    "wyoming-faster-whisper": "takes bare samples, no voice detector by default, 4 threads whatever the "
    "cores; int8 set",
    "vox-box": "no voice detector, never falls back to other temperatures, 8 threads whatever the cores; "
    "started with int8, for which it has no option, and without the packages of its other models",
    "kokoro-onnx": "a library, here behind an HTTP server of the standard library; phonemes of espeak, "
    "silence at the ends of its batches cut off",
}
"""The differences of each server from what the others are and do."""


def tables(kept: dict[str, Any]) -> str:
    """Returns the page: the figures of each server, the differences among them, and the missing ones."""
    figures: dict[str, dict[str, Any]] = kept["figures"]
    lines: list[str] = []
    head: tuple[str, ...]
    if figures["clips"]:
        head = ("", "callers", "audio seconds a second", "CPU", "median call", "worst", "errors", "failed")
        lines += _table("Clips of 3 to 7 seconds, language given", head, _clip_rows(figures["clips"]))
    if figures["long"]:
        head = ("", "times real time", "CPU for an hour", "memory beyond the model", "errors")
        lines += _table(f"One recording of {kept['minutes']:g} minutes", head, _long_rows(figures["long"]))
    if figures["speech"]:
        head = ("", "first audio", "real-time factor", "seconds of sound")
        lines += _table("Kokoro, four sentences", head, _speech_rows(figures["speech"]))
    lines += [f"### What differs ({kept['date']})", ""]
    for name, versions in figures["versions"].items():
        lines.append(f"- **{name}**: {DIFFERS[name]} ({versions}).")
    for name, reason in kept["missing"].items():
        lines.append(f"- **{name}** could not be had: {reason}")
    return "\n".join(lines)


def _clip_rows(clips: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            callers,
            f"{each['audio_per_second']:.1f}",
            f"{each['cpu_seconds_a_second']:.2f} s",
            f"{each['latency_seconds']:.2f} s",
            f"{each['worst_seconds']:.2f} s",
            f"{each['word_error_rate']:.1%}",
            str(each["failed"]),
        )
        for name, by_callers in clips.items()
        for callers, each in by_callers.items()
    ]


def _long_rows(recordings: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{each['times_real_time']:.1f}",
            f"{each['cpu_seconds_an_hour']:.0f} s",
            f"{each['megabytes_beyond']:+.0f} MB",
            f"{each['word_error_rate']:.1%}",
        )
        for name, each in recordings.items()
    ]


def _speech_rows(speech: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (name, f"{each['first_ms']:.0f} ms", f"{each['real_time_factor']:.3f}", f"{each['seconds']:.1f}")
        for name, each in speech.items()
    ]


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    rule = ("---", *("--:" for _ in head[1:]))
    return [f"### {title}", "", *(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)), ""]
