"""TLS and mutual TLS on the public port."""

import asyncio
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from audio_grpc.client import AsyncClient, ServiceError
from tests.certificates import tls
from tests.conftest import PATIENCE_SECONDS, Start
from tests.envoy.front import Front


@pytest.fixture(scope="module")
def secured(front: Front, files: Path) -> Iterator[Front]:
    """Speaks TLS, in front of the same server."""
    options = ("--tls-certificate", str(files / "server.pem"), "--tls-key", str(files / "server.key"))
    secured = Front(front.servers, *options)
    yield secured
    secured.stop()


async def test_speech_over_tls(secured: Front, files: Path) -> None:
    async with AsyncClient(secured.address, tls=tls(files)) as client:
        assert b"".join([data async for data in client.synthesize("Hi.")])
    async with AsyncClient(secured.address) as client:
        with pytest.raises(ServiceError):
            await client.list_models()


def test_rest_over_tls(secured: Front, files: Path) -> None:
    host, _, port = secured.address.rpartition(":")
    trusting = ssl.create_default_context(cafile=str(files / "ca.pem"))
    connection = http.client.HTTPSConnection(host, int(port), context=trusting, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/api/v1/models")
    with connection.getresponse() as response:
        assert json.load(response)["models"][0]["name"] == "speaker"
    connection.close()


@pytest.mark.parametrize(
    ("certificate", "host", "reached"),
    [
        ("server", "127.0.0.1", True),
        ("impostor", "127.0.0.1", False),
        ("server", "localhost", False),
    ],
    ids=["trusted", "another authority's", "for another name"],
)
async def test_servers_that_speak_tls(
    start: Start, files: Path, certificate: str, host: str, reached: bool
) -> None:
    own = {"tls_certificate": files / f"{certificate}.pem", "tls_key": files / f"{certificate}.key"}
    server, _ = await start(**own)
    options = ("--servers-tls-ca", str(files / "ca.pem"))
    envoy = await asyncio.to_thread(Front, [f"{host}:{server.port}"], *options)
    try:
        async with AsyncClient(envoy.address) as client:
            assert await answers(client) is reached
    finally:
        await asyncio.to_thread(envoy.stop)


async def answers(client: AsyncClient) -> bool:
    try:
        await client.list_models()
    except ServiceError:
        return False
    return True


async def test_callers_without_a_certificate_are_refused_where_one_is_asked_for(
    front: Front, files: Path
) -> None:
    options = ("--tls-certificate", str(files / "server.pem"), "--tls-key", str(files / "server.key"))
    mutual = Front(front.servers, *options, "--tls-client-ca", str(files / "ca.pem"))
    try:
        async with AsyncClient(mutual.address, tls=tls(files)) as client:
            with pytest.raises(ServiceError) as failure:
                await client.list_models()
        assert failure.value.code is grpc.StatusCode.UNAVAILABLE
        async with AsyncClient(mutual.address, tls=tls(files, own="caller")) as client:
            assert await client.list_models()
    finally:
        mutual.stop()
