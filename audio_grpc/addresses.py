"""Addresses: who reaches them, and how gRPC is told of them."""

import ipaddress

SOCKET_SCHEMES = ("unix:", "unix-abstract:")
ANY_ADDRESS = ("0.0.0.0", "::", "[::]")  # noqa: S104 - to be told from an address that can be called


def is_local(host: str) -> bool:
    """Tells if only this machine reaches the address: a loopback one, localhost, or a Unix socket.

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


def target(host: str, port: int | str) -> str:
    """Returns the address in gRPC's notation: https://github.com/grpc/grpc/blob/master/doc/naming.md."""
    if host.startswith(SOCKET_SCHEMES):
        return host
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
