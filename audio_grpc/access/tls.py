"""The server's side of TLS."""

import ssl
from pathlib import Path

import grpc

from audio_grpc.errors import ConfigurationError


def server_credentials(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> grpc.ServerCredentials | None:
    """From PEM files; None without a certificate. With ``client_ca``, callers need certificates from there.

    Renewed files are read by the next start. ConfigurationError for a file that is missing or wrong.
    """
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError("TLS takes both tls_certificate and tls_key; give the one that is missing")
    _check(certificate, key, client_ca)
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=client_ca.read_bytes() if client_ca else None,
        require_client_auth=client_ca is not None,
    )


def _check(certificate: Path, key: Path, client_ca: Path | None) -> None:
    """By Python's own TLS, which says what is wrong; gRPC only says that it cannot listen."""
    for file in filter(None, (certificate, key, client_ca)):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password, or OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"{certificate} and {key} are no certificate in PEM and its unencrypted private key: {error}"
        ) from error
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise ConfigurationError(f"{client_ca} has no certificate in PEM: {error}") from error
