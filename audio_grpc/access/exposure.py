"""Where a server may listen without asking who calls."""

import ipaddress
import logging

from audio_grpc.errors import ConfigurationError

log = logging.getLogger(__name__)

SOCKET_SCHEMES = ("unix:", "unix-abstract:")


def require_protection(host: str, *, keys: bool, tls: bool, allow_open: bool) -> None:
    """ConfigurationError for an address that others can reach, with neither keys nor TLS, unless told so."""
    if is_local(host):
        return
    if not (keys or tls or allow_open):
        raise ConfigurationError(
            f"others can reach {host!r}, and nothing protects the server there. Make a key with "
            "`audio-grpc keys add NAME --keys-file keys.json` and start it with --keys-file keys.json, "
            "or with TLS (--tls-certificate, --tls-key, and --tls-client-ca for who may call); if everybody "
            "may call it, say so with --allow-open"
        )
    if not tls:
        log.warning(
            "there is no TLS on %s: what is said%s can be read on the way", host, " and the keys" * keys
        )


def is_local(host: str) -> bool:
    """Whether only this machine reaches the address: a loopback one, localhost, or a Unix socket.

    Any other name counts as public, whatever it resolves to today.
    """
    if host.startswith(SOCKET_SCHEMES):
        return True
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return bare.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def target(host: str, port: int) -> str:
    """How gRPC is told of an address: https://github.com/grpc/grpc/blob/master/doc/naming.md."""
    if host.startswith(SOCKET_SCHEMES):
        return host
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
