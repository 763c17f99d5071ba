"""`cph50 serve` as a process of its own, asked over connections that stay open; what it says of its own times."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.daemons import running, wait_for
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.log_rotation import log_path

HOST = "127.0.0.1"
_ANNOUNCED = re.compile(rf"http://{re.escape(HOST)}:(\d+)/")
_ANSWER_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    Attributes:
        seconds: From the request to the last byte, as the client sees it.
    """

    status: int
    etag: str
    data: bytes
    seconds: float


@dataclass(frozen=True)
class ApiServer:
    """A running one.

    Attributes:
        pid: Of its one process.
        access_log: Where it writes a line for each request.
    """

    pid: int
    port: int
    access_log: Path

    @contextmanager
    def connected(self) -> Iterator[ApiClient]:
        """A connection that stays open for as long as the block lasts."""
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=_ANSWER_SECONDS)) as connection:
            yield ApiClient(connection)

    def own_ms(self) -> list[float]:
        """How long the server says that each request for stored values took, in order."""
        lines = (json.loads(line) for line in self.access_log.read_text().splitlines())
        return [line["ms"] for line in lines if "ms" in line and "query" not in line]


@dataclass(frozen=True)
class ApiClient:
    """One who asks."""

    connection: http.client.HTTPConnection

    def get(self, path: str, etag: str = "") -> Answer:
        """Ask for a path of this server.

        Raises:
            RuntimeError: the answer was neither one nor that nothing has changed.
        """
        started = time.perf_counter()
        self.connection.request("GET", path, headers={"If-None-Match": etag} if etag else {})
        response = self.connection.getresponse()
        data = response.read()
        seconds = time.perf_counter() - started
        if response.status not in (200, 304):
            raise RuntimeError(f"GET {path}: {response.status} {data[:500]!r}")
        return Answer(response.status, response.headers.get("ETag", ""), data, seconds)


@contextmanager
def serving(data: Path, environment: Mapping[str, str], folder: Path) -> Iterator[ApiServer]:
    """The read API of a data root, with no limit to how often it is asked.

    Args:
        folder: Where it runs and its output goes.

    Raises:
        RuntimeError: it did not come up.
    """
    unlimited = {"CPH50_API_REQUESTS_PER_MINUTE": "1000000", "CPH50_LOG_FORMAT": "json"}
    command = ["cph50_pipeline", "serve", "--host", HOST, "--port", "0"]
    private_dir = Settings(data_dir=str(data)).private_dir
    with running(command, {**environment, "CPH50_DATA_DIR": str(data), **unlimited}, folder) as process:
        found = wait_for(lambda: _announced(folder), "the read API", process, folder)
        yield ApiServer(process.pid, int(found[1]), log_path(private_dir, "api"))


def _announced(folder: Path) -> re.Match[str] | None:
    return _ANNOUNCED.search((folder / "dagster.log").read_text())
