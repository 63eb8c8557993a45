"""An Envoy that waits for less than it does otherwise."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from audio_grpc.config import EnvoySettings
from audio_grpc.envoy.render import render
from audio_grpc.envoy.run import command
from tests.conftest import CommandProcess, tone_settings
from tests.envoy.front import ask, free_ports
from tests.eventually import eventually_in_a_thread
from tests.gateway.conftest import running


@asynccontextmanager
async def impatient(server: str, folder: Path, *waits: str) -> AsyncIterator[str]:
    """The address of an Envoy, with a gateway behind it, that waits a second instead of ``waits``."""
    port, inside, admin = free_ports(3)
    async with running(server=f"127.0.0.1:{inside}") as gateway:
        settings = tone_settings(
            envoy=EnvoySettings(
                port=port,
                inside_port=inside,
                admin_port=admin,
                servers=(server,),
                gateway=gateway.removeprefix("http://"),
            )
        )
        text = render(settings)
        for wait in waits:
            text, count = re.subn(rf"\b{wait}\b", re.sub(r"\d+s$", "1s", wait), text)
            assert count
        file = folder / "envoy.yaml"
        file.write_text(text)
        envoy = CommandProcess(*command(settings, file))
        address = f"127.0.0.1:{port}"

        def is_ready() -> bool:
            try:
                return ask(address, "GET", "/readyz").status == 200
            except OSError:
                return False

        try:
            await asyncio.to_thread(eventually_in_a_thread, is_ready)
            yield address
        finally:
            await asyncio.to_thread(envoy.stop)
