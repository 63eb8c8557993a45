"""TLS certificates and API keys of a client."""

from dataclasses import dataclass, field

import grpc

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tls:
    """Settings of TLS, each the content of a PEM file.

    ``Tls()`` trusts the authorities that gRPC does. A server that asks its callers for certificates
    (mutual TLS) needs ``certificate`` and ``key``; raises ValueError for one without the other.
    """

    ca: bytes | None = None
    """The authorities to trust instead."""
    certificate: bytes | None = None
    """The client's own, and those between it and its authority."""
    key: bytes | None = field(default=None, repr=False)
    """The private key of the certificate."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client's certificate and its private key go together; give both or neither")

    def credentials(self) -> grpc.ChannelCredentials:
        """Returns channel credentials for either of gRPC's APIs."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)


def authorization(api_key: str | None) -> Metadata:
    """The metadata of a call with this key: https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""
    return () if api_key is None else (("authorization", f"Bearer {api_key}"),)
