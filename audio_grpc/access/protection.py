"""Refuses to start a server that others can reach without keys or TLS, unless the operator allows it."""

import logging

from audio_grpc.addresses import is_local
from audio_grpc.errors import ConfigurationError

log = logging.getLogger(__name__)


def require_protection(host: str, *, keys: bool, tls: bool, allow_open: bool) -> None:
    """Raises ConfigurationError if others can reach the address and it has neither keys nor TLS.

    ``allow_open`` allows it. An address without TLS is warned of in the log.
    """
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
