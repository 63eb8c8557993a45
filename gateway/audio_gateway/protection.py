"""Refuses to start a gateway that other machines can reach, unless the operator allows it."""

import logging

from audio_grpc.addresses import is_local
from audio_grpc.errors import ConfigurationError

log = logging.getLogger(__name__)


def require_consent(host: str, *, allow_open: bool) -> None:
    """Raises ConfigurationError for an address that others can reach, unless ``allow_open``."""
    if is_local(host):
        return
    if not allow_open:
        raise ConfigurationError(
            f"others can reach {host!r}, and the gateway has neither TLS nor keys of its own. Put Envoy in "
            "front and let the gateway listen on 127.0.0.1; or, if the server asks for keys "
            "(`audio-grpc serve --keys-file keys.json`) or everybody may call it, say so with --allow-open"
        )
    log.warning("there is no TLS on %s: what is said and the keys can be read on the way", host)
