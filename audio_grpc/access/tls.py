"""The server's side of TLS."""

from pathlib import Path

import grpc

from audio_grpc.errors import ConfigurationError
from audio_grpc.pem import check_files


def server_credentials(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> grpc.ServerCredentials | None:
    """Returns credentials from PEM files; None without a certificate. ``client_ca`` verifies callers.

    Renewed files are read by the next start. Raises ConfigurationError for a file that is missing or wrong.
    """
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError("TLS takes both tls_certificate and tls_key; give the one that is missing")
    check_files(certificate, key, client_ca)
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=client_ca.read_bytes() if client_ca else None,
        require_client_auth=client_ca is not None,
    )
