"""``audio-grpc llm``."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from audio_grpc import config
from audio_grpc.chat import local
from audio_grpc.cli.console import ConfigOption, console
from audio_grpc.listening import require_free

EXAMPLES = """
Examples:

audio-grpc llm

audio-grpc llm --path Qwen3-4B-Q4_K_M.gguf --port 9000
"""

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def llm(
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1; 0: any. [8083]")] = None,
    path: Annotated[Path | None, typer.Option(help="A GGUF file. [the one of make local-llm]")] = None,
    config_file: ConfigOption = None,
) -> None:
    """Serve a language model to conversations on this machine until Ctrl-C, as an OpenAI-compatible endpoint.

    Its health is at /health.
    """
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # first, as the threads of the server inherit it
    settings = config.load(config_file).llm
    chosen = settings.port if port is None else port
    require_free("127.0.0.1", chosen, "--port, or [llm] port")
    server = local.serve(
        path or settings.path,
        chosen,
        context_tokens=settings.context_tokens,
        parallel=settings.parallel,
        threads=settings.threads,
    )
    console.print(f"language model on {server.listening_address}/v1")
    number = signal.sigwait(ending)
    del server  # which ends it
    sys.exit(0 if number == signal.SIGTERM else 130)
