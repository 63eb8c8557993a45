"""A PostgreSQL server of the tests' own."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

DEBIAN = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None if PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    installed = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


@contextmanager
def running(bin_folder: Path, folder: Path) -> Iterator[str]:
    """The URL of a new database, on a Unix socket below ``folder`` that nobody else knows."""
    data, socket = folder / "data", folder / "socket"
    user = _give_away(folder)
    socket.mkdir()
    if user is not None:
        shutil.chown(socket, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(bin_folder / program), "--pgdata", str(data), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)

    run("initdb", "--username", "audio", "--auth", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off"
    run("pg_ctl", "--wait", "--log", str(folder / "log"), "--options", options, "start")
    try:
        yield f"postgresql://audio@/postgres?host={quote(str(socket))}"
    finally:
        run("pg_ctl", "--wait", "--mode", "immediate", "stop")


def _give_away(folder: Path) -> str | None:
    """The user that PostgreSQL runs as, since it does not as root; None: the tests' own."""
    if os.getuid():
        return None
    user = "postgres" if _exists("postgres") else "nobody"
    shutil.chown(folder, user)
    return user


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
