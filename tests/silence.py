"""Connections on which nothing more comes."""

import asyncio

from tests.conftest import PATIENCE_SECONDS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
"""The beginning of a connection of HTTP/2, whatever follows."""


async def closed(address: str, beginning: bytes, connections: int = 30) -> None:
    """Send the beginning on so many connections and then nothing; wait until all are closed."""
    host, _, port = address.removeprefix("http://").rpartition(":")

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(beginning)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await reader.read(1 << 16):
                    pass
        finally:
            writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
