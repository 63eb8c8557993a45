"""envoy.yaml with the settings in it."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audio_grpc.access.protection import require_protection
from audio_grpc.addresses import ANY_ADDRESS
from audio_grpc.config import EnvoySettings, Settings
from audio_grpc.envoy.files import EXTRA, template
from audio_grpc.errors import ConfigurationError
from audio_grpc.pem import check_files
from audio_grpc.runtime.memory import Memory, SystemMemory

CALLS_KEPT, LEAST_KEPT_BYTES = 512, 1 << 20
"""The number of calls that may keep all they sent, before the memory is full, and each one's least share."""
LOOPBACK = "127.0.0.1"
EXTENSIONS = "type.googleapis.com/envoy.extensions"

Node = dict[str, Any]


def render(settings: Settings) -> str:
    """Returns Envoy's configuration in YAML. Raises ConfigurationError if the extra is not installed."""
    yaml = _yaml()
    path = template()
    document: Node = yaml.safe_load(path.read_text())
    envoy = settings.envoy
    require_protection(
        envoy.host,
        keys=settings.keys_file is not None,
        tls=envoy.tls_certificate is not None,
        allow_open=settings.allow_open,
    )
    listeners, clusters = (_by_name(document["static_resources"][kind]) for kind in ("listeners", "clusters"))
    public, inside = listeners["public"], listeners["inside"]
    _listen(public, envoy.host, envoy.port)
    _listen(inside, LOOPBACK, envoy.inside_port)
    _listen(document["admin"], LOOPBACK, envoy.admin_port)
    for listener in (public, inside):
        _keep_less_where_memory_is_little(_manager(listener), SystemMemory(limit=settings.memory_limit_bytes))
    servers = envoy.servers or (_own_server(settings),)
    _send_to(clusters["server"], servers)
    _send_to(clusters["gateway"], [envoy.gateway])
    if envoy.tls_certificate and envoy.tls_key:
        check_files(envoy.tls_certificate, envoy.tls_key, envoy.tls_client_ca)
        public["filter_chains"][0]["transport_socket"] = _tls(envoy)
    if envoy.servers_tls_ca:
        check_files(envoy.servers_tls_certificate, envoy.servers_tls_key, envoy.servers_tls_ca)
        clusters["server"]["transport_socket"] = _tls_to_servers(envoy, servers)
    if envoy.cors_origins:
        _allow_origins(_manager(public), envoy.cors_origins)
    if settings.otlp_endpoint:
        document["static_resources"]["clusters"].append(_collector(settings.otlp_endpoint))
        for listener in (public, inside):
            _manager(listener)["tracing"] = _tracing(settings.otlp_endpoint)
    _make_absolute(document, path.parent)

    class Dumper(yaml.SafeDumper):  # type: ignore[misc, name-defined]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, width=110)
    return text


def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError as error:
        raise ConfigurationError(f"Envoy's configuration needs PyYAML; {EXTRA}") from error


def _by_name(nodes: Iterable[Node]) -> dict[str, Node]:
    return {node["name"]: node for node in nodes}


def _manager(listener: Node) -> Node:
    """The HTTP connection manager of a listener."""
    manager: Node = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def _keep_less_where_memory_is_little(manager: Node, memory: Memory) -> None:
    """Bounds what Envoy keeps of each call, to send it again, to a small part of the memory."""
    if (free := memory.free(None)) is None:
        return
    for host in manager["route_config"]["virtual_hosts"]:
        most = max(free // CALLS_KEPT, LEAST_KEPT_BYTES)
        host["request_body_buffer_limit"] = min(host["request_body_buffer_limit"], most)


def _socket(host: str, port: int) -> Node:
    return {"socket_address": {"address": host.strip("[]"), "port_value": port}}


def _address(host_and_port: str) -> Node:
    host, _, port = host_and_port.rpartition(":")
    return _socket(host, int(port))


def _listen(node: Node, host: str, port: int) -> None:
    node["address"] = _socket(host, port)


def _send_to(cluster: Node, addresses: Iterable[str]) -> None:
    endpoints = [{"endpoint": {"address": _address(address)}} for address in addresses]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]


def _own_server(settings: Settings) -> str:
    host = LOOPBACK if settings.host in ANY_ADDRESS else settings.host
    return f"{host}:{settings.port}"


def _tls(envoy: EnvoySettings) -> Node:
    return _tls_socket(
        "Downstream",
        {
            "require_client_certificate": envoy.tls_client_ca is not None,
            "common_tls_context": {
                **_pem(envoy.tls_certificate, envoy.tls_key, envoy.tls_client_ca),
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            },
        },
    )


def _tls_to_servers(envoy: EnvoySettings, servers: Iterable[str]) -> Node:
    pem = _pem(envoy.servers_tls_certificate, envoy.servers_tls_key, envoy.servers_tls_ca)
    # A server shows a certificate for the name, or the address, of one of them.
    pem["validation_context"]["match_typed_subject_alt_names"] = [_named(server) for server in servers]
    return _tls_socket(
        "Upstream", {"auto_host_sni": True, "common_tls_context": {**pem, "alpn_protocols": ["h2"]}}
    )


def _named(server: str) -> Node:
    host = server.rpartition(":")[0].strip("[]")
    try:
        return {"san_type": "IP_ADDRESS", "matcher": {"exact": str(ipaddress.ip_address(host))}}
    except ValueError:
        return {"san_type": "DNS", "matcher": {"exact": host}}


def _tls_socket(side: str, context: Node) -> Node:
    kind = f"{EXTENSIONS}.transport_sockets.tls.v3.{side}TlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": kind, **context}}


def _pem(certificate: Path | None, key: Path | None, ca: Path | None) -> Node:
    files: Node = {}
    if certificate and key:
        own = {"certificate_chain": _file(certificate), "private_key": _file(key)}
        files["tls_certificates"] = [own]
    if ca:
        files["validation_context"] = {"trusted_ca": _file(ca)}
    return files


def _file(path: Path) -> Node:
    return {"filename": str(path.resolve())}


def _allow_origins(manager: Node, origins: Iterable[str]) -> None:
    # Envoy matches the whole origin against the pattern.
    matches = [{"safe_regex": {"regex": ".*" if origin == "*" else re.escape(origin)}} for origin in origins]
    [host] = manager["route_config"]["virtual_hosts"]
    host["typed_per_filter_config"]["envoy.filters.http.cors"]["allow_origin_string_match"] = matches
    foreign = next(route for route in host["routes"] if route["name"] == "foreign_page")["match"]["headers"]
    foreign[:] = [header for header in foreign if header["name"] != "origin"]
    foreign += [{"name": "origin", "string_match": match, "invert_match": True} for match in matches]


def _collector(endpoint: str) -> Node:
    url = urlsplit(endpoint)
    if url.scheme != "http":
        raise ConfigurationError(
            f"otlp_endpoint is {endpoint}; Envoy sends traces by http:// only, to a collector beside it"
        )
    address = _socket(url.hostname or "", url.port or 80)
    return {
        "name": "collector",
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "collector",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _tracing(endpoint: str) -> Node:
    return {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "service_name": "audio-grpc-envoy",
                "http_service": {"http_uri": {"uri": endpoint, "cluster": "collector", "timeout": "1s"}},
            },
        }
    }


def _make_absolute(node: Any, folder: Path) -> None:
    """The paths that envoy.yaml has relative to itself."""
    for each in _nodes(node):
        if "proto_descriptor" in each:
            each["proto_descriptor"] = str(folder / each["proto_descriptor"])


def _nodes(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _nodes(child)
