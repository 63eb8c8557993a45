"""Write the site's reference, ``docs/reference``: the contract, HTTP, the settings and the commands.

All of it comes from the sources, each time that ``make docs`` builds the site. It is not checked in, so it
cannot be out of date.
"""

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from audio_gateway import config as gateway_config
from audio_gateway.app import make_app
from audio_grpc import config, pipelines
from audio_grpc.access.policies import POLICIES
from audio_grpc.backends import faster_whisper, hibari, kokoro
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice.adapter import CosyVoiceOptions
from audio_grpc.backends.openai_upstream import options as upstream
from protos import PROTOS, ROOT, run_protoc

SETTINGS = {
    "Server": (config.Settings, "`AUDIO_GRPC_PORT` in the environment, `port =` at the top of the file."),
    "Models": (ModelSpec, "Each in a table `[synthesizers.NAME]` or `[transcribers.NAME]`."),
    "Options of faster-whisper": (faster_whisper.WhisperOptions, "In the model's table `options`."),
    "Options of hibari": (hibari.HibariOptions, "In the model's table `options`."),
    "Options of Kokoro": (kokoro.KokoroOptions, "In the model's table `options`."),
    "Options of CosyVoice": (CosyVoiceOptions, "In the model's table `options`."),
    "Options of openai-upstream, speech": (upstream.SpeakerOptions, "In the model's table `options`."),
    "One upstream of speech": (
        upstream.SpeechUpstream,
        "Each in a table `[[synthesizers.NAME.options.upstreams]]`.",
    ),
    "Options of openai-upstream, transcripts": (upstream.ListenerOptions, "In the model's table `options`."),
    "One upstream of transcripts": (
        upstream.TranscriptUpstream,
        "Each in a table `[[transcribers.NAME.options.upstreams]]`.",
    ),
    "Pipelines: speech to text": (pipelines.SttSpec, "In the table `[pipelines.NAME.stt]`."),
    "Pipelines: end of an utterance": (pipelines.VadSpec, "In the table `[pipelines.NAME.stt.vad]`."),
    "Pipelines: language model": (pipelines.LlmSpec, "In the table `[pipelines.NAME.llm]`."),
    "Pipelines: text to speech": (pipelines.TtsSpec, "In the table `[pipelines.NAME.tts]`."),
    "Local language model": (
        config.LlmSettings,
        "In the table `[llm]`; `AUDIO_GRPC_LLM__PORT` in the environment.",
    ),
    "Envoy": (config.EnvoySettings, "In the table `[envoy]`; `AUDIO_GRPC_ENVOY__PORT` in the environment."),
    "Gateway": (
        gateway_config.GatewaySettings,
        "In the table `[gateway]`; `AUDIO_GATEWAY_PORT` in the environment.",
    ),
}
ORDER = "Command line over environment over `audio-grpc.toml` over defaults; unknown names are refused."
BOUNDS = {"minimum": "from {}", "exclusiveMinimum": "more than {}", "maximum": "to {}"}
COMMANDS = {"audio-grpc": "audio_grpc.cli.app", "audio-gateway": "audio_gateway.cli"}


def main() -> None:
    """Write every page anew, into docs/reference or the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    for name, page in (contract() | {"http": http(), "settings": settings(), "commands": commands()}).items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page)


# The contract.


def contract() -> dict[str, str]:
    """The pages of all .proto files by name, and ``grpc/index``, which lists the methods."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "set.binpb"
        run_protoc(
            compiled,
            sorted((PROTOS / "audio_grpc/v1").glob("*.proto")),
            "descriptor_set",
            flags=("--include_source_info",),
        )
        files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    places = {
        f".{file.package}.{one.name}": f"{Path(file.name).stem}.md#{one.name.lower()}"
        for file in files
        for one in (*file.message_type, *file.enum_type)
    }
    listed = [
        f"| [{service.name}]({Path(file.name).stem}.md#{service.name.lower()}) | "
        + ", ".join(f"[{one.name}]({Path(file.name).stem}.md#{one.name.lower()})" for one in service.method)
        + " |"
        for file in files
        for service in file.service
    ]
    index = [
        "# gRPC",
        "Generated from `protos/audio_grpc/v1`.",
        "\n".join(["| service | methods |", "|---|---|", *listed]),
    ]
    pages = {f"grpc/{Path(file.name).stem}": ContractPage(file, places).text() for file in files}
    return {"grpc/index": joined(index), **pages}


class ContractPage:
    """The page of one .proto file."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto, places: Mapping[str, str]) -> None:
        self._file = file
        self._places = places
        self._comments = {tuple(one.path): one.leading_comments for one in file.source_code_info.location}

    def text(self) -> str:
        """Return the page: services, then messages, then enums."""
        parts = [f"# {Path(self._file.name).name}"]
        for i, service in enumerate(self._file.service):
            parts += [f"## {service.name}", prose(self._comments[6, i])]
            for j, method in enumerate(service.method):
                parts += self._method(service.name, method, self._comments[6, i, 2, j])
        for i, message in enumerate(self._file.message_type):
            rows = [
                (f"`{field.name}`", self._type(field), cell(self._comments.get((4, i, 2, j), "")))
                for j, field in enumerate(message.field)
            ]
            parts += [
                f"## {message.name}",
                prose(self._comments.get((4, i), "")),
                table(("field", "type", ""), rows),
            ]
        for i, enum in enumerate(self._file.enum_type):
            rows = [
                (f"`{value.name}`", cell(self._comments.get((5, i, 2, j), "")))
                for j, value in enumerate(enum.value)
            ]
            parts += [f"## {enum.name}", prose(self._comments.get((5, i), "")), table(("value", ""), rows)]
        return joined(parts)

    def _method(self, service: str, method: descriptor_pb2.MethodDescriptorProto, comment: str) -> list[str]:
        policy = POLICIES[service][method.name]
        key = (
            "none; no key is needed"
            if policy.is_public
            else ", ".join(f"`{one}`" for one in sorted(policy.scopes)) or "any key"
        )
        rule = method.options.Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        facts = [
            f"- Request: {'stream of ' * method.client_streaming}{self._link(method.input_type)}",
            f"- Answer: {'stream of ' * method.server_streaming}{self._link(method.output_type)}",
            f"- Scopes of the key: {key}",
            *([f"- REST: `{verb.upper()} {getattr(rule, verb)}`"] if verb else []),
        ]
        return [f"### {method.name}", prose(comment), "\n".join(facts)]

    def _type(self, field: descriptor_pb2.FieldDescriptorProto) -> str:
        named = field.type_name and self._link(field.type_name)
        name = (
            named or descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        )
        if field.label == field.LABEL_REPEATED:
            return f"repeated {name}"
        return f"optional {name}" if field.proto3_optional else name

    def _link(self, type_name: str) -> str:
        short = type_name.rpartition(".")[2]
        return f"[{short}]({self._places[type_name]})" if type_name in self._places else short


# Schemas, of the settings and of HTTP.


def settings() -> str:
    """Return the page of all settings."""
    parts = ["# Settings", ORDER]
    for title, (kind, where) in SETTINGS.items():
        described = {
            name: re.sub(r"(; )?None:", lambda found: "; unset:" if found[1] else "Unset:", text)
            for name, text in docstrings(kind).items()
        }
        schema = TypeAdapter(kind).json_schema()
        rows = [(*row[:3], cell(described.get(name, ""))) for name, row in properties(schema).items()]
        parts += [f"## {title}", where, table(("setting", "type", "default", ""), rows)]
    return joined(parts)


def docstrings(kind: type) -> dict[str, str]:
    """Return what stands below each attribute of a class and of those that it comes from."""
    found: dict[str, str] = {}
    for one in kind.__mro__:
        if one.__module__.startswith(("audio_grpc", "audio_gateway")):
            (body,) = ast.parse(inspect.getsource(one)).body
            assert isinstance(body, ast.ClassDef)
            for attribute, text in pairwise(body.body):
                if isinstance(attribute, ast.AnnAssign) and isinstance(text, ast.Expr):
                    found.setdefault(ast.unparse(attribute.target), ast.literal_eval(text.value))
    return found


def http() -> str:
    """Return the page of the gateway's paths, from its OpenAPI document."""
    document = TestClient(make_app(gateway_config.GatewaySettings())).get("/openapi.json").json()
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).extend(_operation(method, path, operation))
    parts = ["# HTTP", prose(document["info"]["description"])]
    for group, texts in groups.items():
        parts += [f"## {group[0].upper()}{group[1:]}", *texts]
    parts.append("## Schemas")
    for name, schema in document["components"]["schemas"].items():
        if "properties" in schema:
            parts += [
                f"### {short(name)} {{ #{name.lower()} }}",
                prose(schema.get("description", "")),
                fields(schema),
            ]
    return joined(parts)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> list[str]:
    parts = [f"### `{method.upper()} {path}`", prose(operation.get("description", ""))]
    rows = [
        (f"`{one['name']}`", one["in"], kind_of(one["schema"]), cell(one.get("description", "")))
        for one in operation.get("parameters", ())
    ]
    parts.append(table(("parameter", "in", "type", ""), rows))
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = body.get("schema", {})
        parts.append(f"Body, `{media}`: {'' if 'properties' in schema else kind_of(schema)}")
        parts.append(fields(schema))
    rows = [
        (status, cell(one["description"]), ", ".join(f"`{media}`" for media in one.get("content", ())))
        for status, one in operation["responses"].items()
    ]
    parts.append(table(("status", "", "body"), rows))
    return parts


def fields(schema: Mapping[str, Any]) -> str:
    """Return a table of the fields of an object."""
    return table(("field", "type", "default", ""), properties(schema).values())


def properties(schema: Mapping[str, Any]) -> dict[str, tuple[str, str, str, str]]:
    """Return a row for each property of an object, by its name."""
    required = schema.get("required", ())
    return {
        name: (
            f"`{name}`",
            kind_of(one),
            "required" if name in required else default_of(name, one),
            cell(one.get("description", "")),
        )
        for name, one in schema.get("properties", {}).items()
    }


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return a schema in words, such as "integer, 1 to 64"."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{short(name)}](#{name.lower()})" if schema["$ref"].startswith("#/components/") else "table"
    if either := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(kind_of(one) for one in either if one.get("type") != "null"))
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        return f"{kind_of(inner)}s by name"
    kind = schema.get("format") or schema.get("type") or "any"
    bounds = [text.format(schema[key]) for key, text in BOUNDS.items() if key in schema]
    return ", ".join(filter(None, [kind, " ".join(bounds)]))


def short(name: str) -> str:
    """Return the name of a schema; of two that have one, the dialects' are put behind."""
    *places, last = name.split("__")
    return f"{last} ({places[2]})" if places else last


def default_of(name: str, schema: Mapping[str, Any]) -> str:
    """Return the default in words; nothing if there is none."""
    value = schema.get("default")
    if value in (None, "", [], {}) or (isinstance(value, dict) and "$ref" in schema):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"`{key}`" for key in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if "bytes" in name and value and value % (1 << 20) == 0:
        return f"{value >> 20} MiB"
    return f"`{json.dumps(value)}`".replace('"', "")


# The commands.


def commands() -> str:
    """Return the page of both commands, which typer writes."""
    pages = []
    for name, module in COMMANDS.items():
        written = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "typer", module, "utils", "docs", "--name", name],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        pages.append(written.stdout)
    return joined(["# Commands", *(re.sub("^#", "##", page, flags=re.MULTILINE) for page in pages)])


# Markdown.


def joined(parts: Iterable[str]) -> str:
    """Return the parts that have something, with an empty line between them."""
    return "\n\n".join(filter(None, (part.strip("\n") for part in parts))) + "\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; nothing if it has no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]) if lines else ""


def cell(text: str) -> str:
    """Return a text as one line of a table."""
    return prose(" ".join(text.split())).replace("|", "\\|")


def prose(text: str) -> str:
    """Return a comment as Markdown, its indented lines as examples."""
    lines: list[str] = []
    example = False
    for line in text.splitlines():
        line = line.removeprefix(" ")
        if line.startswith("  ") != example and line:
            lines.append("```")
            example = not example
            lines[-1] += "text" * example
        lines.append(line if example else line.replace("``", "`").replace("<", "&lt;"))
    return "\n".join([*lines, "```"] if example else lines)


if __name__ == "__main__":
    main()
