"""A MariaDB of a test session's own, in a temporary folder, on this machine alone."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline_tests.integration.postgres_server import LOOPBACK, PATIENCE_SECONDS, eventually, free_port

READER, PASSWORD = "reader", "canary-r3ad"
DATABASE = "fleet"


class MariaDb:
    """The server: it can be killed and started again, with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def install(self) -> None:
        """Make its system tables."""
        program = shutil.which("mariadb-install-db")
        if program is None or self._program is None:
            pytest.skip("MariaDB's server is not installed (on Debian: apt-get install mariadb-server)")
        access = ["--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db"]
        user = f"--user={getpass.getuser()}"
        command = [program, "--no-defaults", f"--datadir={self._data}", user, *access]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "user": getpass.getuser(),
            "datadir": self._data,
            "socket": self._socket,
            "pid-file": self._folder / "pid",
            "port": self.port,
            "bind-address": LOOPBACK,
            "innodb-flush-log-at-trx-commit": 2,  # enough for a process that is killed
            "innodb-buffer-pool-size": "32M",
            "default-time-zone": "+05:00",  # of the server, not of what is read
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._program),
                    "--no-defaults",
                    *(f"--{name}={value}" for name, value in options.items()),
                ],
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, self._log.read_text)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=PATIENCE_SECONDS)

    def execute(self, *statements: str, rows: Sequence[Sequence[object]] = ()) -> None:
        """Execute statements as its administrator; where there are rows, the one statement for each of them."""
        with self._administrator() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.executemany(statement, rows) if rows else cursor.execute(statement)
            connection.commit()

    def url(self, user: str = READER, password: str = PASSWORD, database: str = DATABASE) -> str:
        """Its address for a user, as SQLAlchemy writes it."""
        return f"mysql://{user}:{password}@{LOOPBACK}:{self.port}/{database}"

    def _answers(self) -> bool:
        import pymysql

        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            with self._administrator():
                return True
        except pymysql.err.OperationalError:
            return False

    def _administrator(self) -> Any:
        import pymysql

        return pymysql.connect(unix_socket=str(self._socket), user="root")

    @property
    def _program(self) -> str | None:
        return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _socket(self) -> Path:
        return self._folder / "socket"

    @property
    def _log(self) -> Path:
        return self._folder / "log"


@contextmanager
def running_mariadb() -> Iterator[MariaDb]:
    """A started MariaDB with an empty database and a user who may only read it; skips where none is installed."""
    pytest.importorskip("pymysql", reason="the extra 'mysql' is not installed")
    # Not below pytest's folder: a socket's path may not be that long.
    folder = Path(tempfile.mkdtemp(prefix="cph50-mariadb-"))
    server = MariaDb(folder)
    try:
        server.install()
        server.start()
        server.execute(
            f"CREATE DATABASE {DATABASE}",
            f"CREATE USER {READER}@'{LOOPBACK}' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT SELECT ON {DATABASE}.* TO {READER}@'{LOOPBACK}'",
        )
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)
