"""The table of policies: every method of the contract stands in it, and is charged for what it brings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from audio_grpc.access.policies import (
    OPERATORS,
    PACKAGE,
    POLICIES,
    Retry,
    Scope,
    SoundFate,
    policy_of,
    sound_fields,
)
from audio_grpc.server import ALWAYS_SERVING, MODEL_SERVICES

UNCHARGED_TEXTS = {
    # Written to the language model; what it answers is charged, as it is spoken.
    "Converse": {"text", "history.text", "options.history.text", "options.speaking.speech.text"},
    # Must be empty.
    "StreamingSynthesize": {"options.speech.text"},
}


def methods() -> list[MethodDescriptor]:
    pool = descriptor_pool.Default()
    services = map(pool.FindServiceByName, (*MODEL_SERVICES, *ALWAYS_SERVING))
    return [method for service in services for method in service.methods]


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def fields_named(message: Descriptor, name: str, kind: int) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to the fields of this name and type, through all messages that ``message`` has."""
    for field in message.fields:
        if field.type == kind and name in ("", field.name):
            yield (field,)
        elif field.message_type is not None:
            yield from ((field, *rest) for rest in fields_named(field.message_type, name, kind))


def with_content(method: MethodDescriptor, way: tuple[FieldDescriptor, ...], content: Any) -> Any:
    """A request that has this content at the end of the way, and nothing else."""
    request = message = GetMessageClass(method.input_type)()
    for field in way[:-1]:
        inside = getattr(message, field.name)
        message = inside.add() if field.is_repeated else inside
    setattr(message, way[-1].name, content)
    return request


def test_every_method_of_the_contract_stands_in_the_table_and_no_other_does() -> None:
    contract = {(method.containing_service.name, method.name) for method in methods()}
    assert {(service, method) for service, of in POLICIES.items() for method in of} == contract
    assert all(method.containing_service.full_name.startswith(PACKAGE) for method in methods())


def test_what_is_not_of_the_contract_is_for_operators() -> None:
    assert policy_of("/grpc.channelz.v1.Channelz/GetServers") is OPERATORS
    assert policy_of("/audio_grpc.v1.ModelService/NewMethod") is OPERATORS


@pytest.mark.parametrize("method", methods(), ids=path_of)
def test_every_sound_in_a_request_is_charged(method: MethodDescriptor) -> None:
    for way in fields_named(method.input_type, "", FieldDescriptor.TYPE_BYTES):
        assert not any(field.is_repeated for field in way), "how many there are would have to be asked"
        request = with_content(method, way, b"sound")
        assert policy_of(path_of(method)).sound(request) is not SoundFate.NONE, [field.name for field in way]


@pytest.mark.parametrize("method", methods(), ids=path_of)
def test_every_text_that_is_to_be_spoken_is_charged(method: MethodDescriptor) -> None:
    for way in fields_named(method.input_type, "text", FieldDescriptor.TYPE_STRING):
        name = ".".join(field.name for field in way)
        if name not in UNCHARGED_TEXTS.get(method.name, ()):
            request = with_content(method, way, "naïve")
            assert policy_of(path_of(method)).characters(request) == 5, name


def test_what_concerns_everybody_is_for_operators() -> None:
    admin = {m for of in POLICIES.values() for m, policy in of.items() if Scope.ADMIN in policy.scopes}
    assert admin >= {"LoadModel", "UnloadModel", "FreeMemory", "SetDefaultVoice", "CleanUpCustomVoices"}
    for service, of in POLICIES.items():
        if service.endswith("AdminService"):
            assert all(policy.scopes == {Scope.ADMIN} for policy in of.values()), service
    for method in ("ListModels", "ListVoices", "ListPipelines"):
        assert not next(of[method] for of in POLICIES.values() if method in of).scopes


def test_fields_of_bytes_are_found_in_messages_of_messages() -> None:
    request = next(method for method in methods() if method.name == "CreateSpeechJob").input_type
    assert sound_fields(request) == (("speech", "sample", "audio"),)


def routes() -> dict[str, list[dict[str, Any]]]:
    """The routes of each of Envoy's virtual hosts."""
    listeners = yaml.safe_load(Path("envoy.yaml").read_text())["static_resources"]["listeners"]
    found = {}
    for listener in listeners:
        for chain in listener["filter_chains"]:
            for one in chain["filters"]:
                for host in one["typed_config"].get("route_config", {}).get("virtual_hosts", ()):
                    found[host["name"]] = host["routes"]
    return found


def route_of(path: str, host: list[dict[str, Any]]) -> dict[str, Any]:
    """The route that a gRPC call takes."""
    for route in host:
        match = route["match"]
        if match.get("headers") and route["name"] != "grpc_unknown":
            continue  # not of gRPC
        expression = match.get("safe_regex", {}).get("regex")
        if (
            match.get("path") == path
            or (expression and re.fullmatch(expression, path))
            or ("prefix" in match and path.startswith(match["prefix"]))
        ):
            return route
    raise AssertionError(f"no route for {path}")


@pytest.mark.parametrize("host", ["public", "inside"])
def test_envoy_sends_nothing_twice_that_the_table_forbids(host: str) -> None:
    ways = routes()[host]
    for method in methods():
        route = route_of(path_of(method), ways)
        causes = set(route["route"]["retry_policy"]["retry_on"].split(","))
        if policy_of(path_of(method)).retry is Retry.UNSENT:
            assert causes <= {"connect-failure", "refused-stream"}, (host, path_of(method))
