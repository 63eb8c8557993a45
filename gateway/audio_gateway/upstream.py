"""The TLS settings of the gateway's connection to the gRPC service."""

from audio_gateway.config import GatewaySettings
from audio_grpc.client import Tls
from audio_grpc.errors import ConfigurationError
from audio_grpc.pem import check_files


def server_tls(settings: GatewaySettings) -> Tls | None:
    """Returns TLS settings from PEM files; None for plain text, if none is configured.

    Renewed files are read by the next start. Raises ConfigurationError for a file that is missing or wrong.
    """
    ca, certificate, key = (
        settings.server_tls_ca,
        settings.server_tls_certificate,
        settings.server_tls_key,
    )
    if ca is None and certificate is None and key is None:
        return None
    if (certificate is None) != (key is None):
        raise ConfigurationError(
            "a certificate to show the server takes both server_tls_certificate and server_tls_key; "
            "give the one that is missing"
        )
    check_files(certificate, key, ca)
    return Tls(
        ca=ca.read_bytes() if ca else None,
        certificate=certificate.read_bytes() if certificate else None,
        key=key.read_bytes() if key else None,
    )
