"""Certificates of the tests' own authorities, made by the openssl command."""

import subprocess
from pathlib import Path
from typing import Any

from audio_grpc.client import Tls


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    made = ("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")
    openssl(folder, "req", "-x509", *curve, *made)


def certified(folder: Path, name: str, by: str) -> None:
    """A certificate for 127.0.0.1, and its key."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(folder, "req", "-new", *curve, "-keyout", f"{name}.key", "-out", "asked", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "2")
    openssl(folder, "x509", "-req", "-in", "asked", *signed, "-extfile", "names", "-out", f"{name}.pem")


def make_all(folder: Path) -> None:
    """Makes certificates of the authority ``ca`` for server, gateway and caller, and one of a stranger."""
    authority(folder, "ca")
    authority(folder, "stranger")
    for name in ("server", "gateway", "caller"):
        certified(folder, name, by="ca")
    certified(folder, "impostor", by="stranger")


def server_files(files: Path) -> dict[str, Any]:
    return {"tls_certificate": files / "server.pem", "tls_key": files / "server.key"}


def tls(files: Path, *, ca: str = "ca", own: str | None = None) -> Tls:
    return Tls(
        ca=(files / f"{ca}.pem").read_bytes(),
        certificate=(files / f"{own}.pem").read_bytes() if own else None,
        key=(files / f"{own}.key").read_bytes() if own else None,
    )
