"""A real PostgreSQL for tests, in a folder and on a port of its own: Debian's, or whichever is on the path."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

Found = TypeVar("Found")
LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 240


@contextmanager
def postgres(password: str, user: str = "cph50", database: str = "cph50") -> Iterator[str]:
    """A PostgreSQL with an empty database; gives its port."""
    programs = postgres_programs()
    port = free_port()
    # Not below pytest's folder, which only its owner may enter: PostgreSQL refuses to be run by root.
    folder = Path(tempfile.mkdtemp(prefix="cph50-postgres-"))
    try:
        (folder / "password").write_text(password)
        as_user = not_as_root(folder)
        initdb = [programs / "initdb", "-D", folder / "data", "-U", user, "--no-sync"]
        access = ["-A", "scram-sha-256", "--pwfile", folder / "password", "--encoding=UTF8", "--locale=C"]
        subprocess.run([*initdb, *access], cwd=folder, check=True, stdout=subprocess.DEVNULL, **as_user)
        command = [programs / "postgres", "-D", folder / "data", "-p", port, "-k", folder]
        options = ["-c", f"listen_addresses={LOOPBACK}", "-c", "fsync=off"]
        log = folder / "data" / "server.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*command, *options], cwd=folder, stderr=output, start_new_session=True, **as_user
            )
        try:
            client = ["-h", LOOPBACK, "-p", port, "-U", user]
            is_ready = [programs / "pg_isready", "--quiet", *client]
            eventually(lambda: subprocess.run(is_ready).returncode == 0, log.read_text)
            authorized = {**os.environ, "PGPASSWORD": password}
            subprocess.run([programs / "createdb", *client, database], env=authorized, check=True)
            yield port
        finally:
            stop(server)
    finally:
        shutil.rmtree(folder)


def postgres_programs() -> Path:
    found = [Path(path).parent for path in [shutil.which("postgres")] if path]
    found += sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL's server is not installed (on Debian: apt-get install postgresql)")
    return found[-1]


def not_as_root(folder: Path) -> dict[str, Any]:
    """How to start PostgreSQL's programs when we are root, whom it refuses; the folder changes hands."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("root may not run PostgreSQL, and there is no user 'postgres'")
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def eventually(look: Callable[[], Found], explain: Callable[[], str]) -> Found:
    """What `look` finds, as soon as it finds it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, explain()
        time.sleep(0.5)  # another process's state: there is no event to wait for
    return found


def stop(process: subprocess.Popen[Any]) -> None:
    """Ask the process to end; whatever its group still holds after that is killed."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing was left
    process.wait()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return str(probe.getsockname()[1])
