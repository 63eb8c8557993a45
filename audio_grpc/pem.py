"""Files of certificates and keys: https://www.rfc-editor.org/rfc/rfc7468."""

import ssl
from pathlib import Path

from audio_grpc.errors import ConfigurationError


def check_files(certificate: Path | None, key: Path | None, ca: Path | None) -> None:
    """Raises ConfigurationError for a file that is missing or wrong.

    The text is that of Python's own TLS; gRPC only says that it cannot listen or connect.
    """
    for file in filter(None, (certificate, key, ca)):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate is not None:
        try:
            # An empty password, or OpenSSL would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(
                f"{certificate} and {key} are no certificate in PEM and its unencrypted private key: {error}"
            ) from error
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError as error:
            raise ConfigurationError(f"{ca} has no certificate in PEM: {error}") from error
