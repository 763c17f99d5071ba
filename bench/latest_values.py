"""Latest values asked of the read API by four clients without a pause, while another process writes new ones.

Times at the server are those of its access log: from a request's head to the last byte sent. In turns with that one
client alone asks for the charger as it stands in the live table, and for the charger itself through the same API; the
one answer of ChargePoint that says how it stands takes 300 ms.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from random import Random
from statistics import median, quantiles

from bench.api_server import HOST, ApiServer, serving
from bench.homes import Home, scratch_home
from bench.live_fleet import FLEET, SENSORS, TELEMETRY, polled_fleet, poller_of
from bench.row import Effort, Row
from bench.timing import CoreUse, core_use, spread
from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.defs.charger_values import SOURCE, UNNAMED, charger_device
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.model import Device, DeviceKind, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.identity import CHARGER_ID

BUDGET_MS = 10.0
BUDGET_PERCENT = 1.0
"""A hundred times faster."""
CLIENTS = 4
STORM_SECONDS = 6.0
ROUND_SECONDS = 5.0
SOURCE_SECONDS = 0.3
CHARGER = charger_label(str(CHARGER_ID)) or UNNAMED
STATUS = f"/api/v1/chargers/{CHARGER}/status"
METERS = 5
_PATHS = 500
_ALONE = 100


def measure(effort: Effort) -> Row:
    """The 99th percentile at the server."""
    found = _measured(effort)
    return Row(
        "latest_value", found.own_percentile_ms, BUDGET_MS, "ms", f"{CLIENTS} clients without a pause",
        f"99th percentile of {len(found.own_ms)} at the server, median {median(found.own_ms):.2f} ms, "
        f"longest {max(found.own_ms):.1f} ms; for a client {found.clients_percentile_ms:.1f} ms, median "
        f"{1000 * median(found.live):.2f} ms; {found.cpu_ms:.2f} ms of CPU each, and {found.waited:.1f} times as long "
        f"the server waited for a core; {found.rounds} rounds of {len(FLEET)} devices x {SENSORS} sensors "
        "were written meanwhile",
    )  # fmt: skip


def measure_direct(effort: Effort) -> Row:
    """The median for a client, against asking the source."""
    found = _measured(effort)
    share = median(found.alone) / median(found.direct)
    return Row(
        "latest_value_direct", 100 * share, BUDGET_PERCENT, "%", "?source=direct, a source that takes 300 ms",
        f"{1 / share:.0f} times faster: {1000 * median(found.alone):.2f} ms (n={len(found.alone)}) against "
        f"{spread(found.direct)}, both for a client that is alone",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Measured:
    """Times of one kind of request.

    Attributes:
        own_ms: As the server sees it.
        live: Seconds, as four clients at once see it.
        alone: Seconds, as one client sees it that is alone.
        direct: Seconds of asking the source.
        rounds: Written by the poller meanwhile.
        cores: What the server had of them in all.
    """

    own_ms: list[float]
    live: list[float]
    alone: list[float]
    direct: list[float]
    rounds: int
    cores: CoreUse

    @property
    def cpu_ms(self) -> float:
        """Of the server, for each request."""
        return 1000 * self.cores.running_seconds / len(self.own_ms)

    @property
    def waited(self) -> float:
        """How much longer the server waited for a core than it had one."""
        return self.cores.waiting_seconds / self.cores.running_seconds

    @property
    def own_percentile_ms(self) -> float:
        """The 99th at the server."""
        return quantiles(self.own_ms, n=100)[98]

    @property
    def clients_percentile_ms(self) -> float:
        """The 99th for a client."""
        return 1000 * quantiles(self.live, n=100)[98]


@cache
def _measured(effort: Effort) -> _Measured:
    with scratch_home(1) as home:
        settings = Settings(data_dir=str(home.data))
        _fill(settings)
        home.simulator.faults.add(
            Fault(kind="delay", operation="charger_status", times=None, delay_seconds=SOURCE_SECONDS)
        )
        with serving(home.data, home.environment, home.folder) as server:
            _direct(home, server)  # logs in
            began, cores = datetime.now(UTC), core_use(server.pid)
            with polled_fleet(home.data, ROUND_SECONDS):
                live, alone, direct = list[float](), list[float](), list[float]()
                for number in range(effort.times(7, 3)):
                    live += asyncio.run(_storm(server, Random(number)))
                    alone += _alone(server)
                    direct.append(_direct(home, server))
            rounds = len(live_store(settings).cycles(TELEMETRY, began))
            return _Measured(server.own_ms(), live, alone, direct, rounds, core_use(server.pid).since(cores))


def _fill(settings: Settings) -> None:
    """Write what is known of a house, and a first round of the fleet."""
    store, now = live_store(settings), datetime.now(UTC)
    store.write(
        [charger_device(None, 30.0, CHARGER)],
        [
            Reading(CHARGER, "plugged_in", True, None, now),
            Reading(CHARGER, "status", "AVAILABLE", None, now),
            Reading(CHARGER, "power_kw", 0.0, "kW", now),
        ],
        SOURCE,
        now,
    )
    meters = [Device(f"meter_{each}", DeviceKind.METER, f"Meter {each}", "home") for each in range(METERS)]
    store.write(meters, [Reading(one.device_id, "power_w", 250.0, "W", now) for one in meters], "home", now)
    poller_of(settings).one_round(now)


def _direct(home: Home, server: ApiServer) -> float:
    """How long the charger itself takes to answer through the API."""
    home.renew_request_budget()
    with server.connected() as client:
        return client.get(f"{STATUS}?source=direct").seconds


def _alone(server: ApiServer) -> list[float]:
    with server.connected() as client:
        return [client.get(STATUS).seconds for _ in range(_ALONE)]


async def _storm(server: ApiServer, draw: Random) -> list[float]:
    """What clients that never pause wait for each answer, in seconds."""
    until = time.perf_counter() + STORM_SECONDS
    waited = await asyncio.gather(*(_ask(server, _paths(draw), until) for _ in range(CLIENTS)))
    return [seconds for of_client in waited for seconds in of_client]


def _paths(draw: Random) -> list[str]:
    """Devices of the fleet, and every other time the charger."""
    devices = (f"/api/v1/devices/{draw.choice(FLEET)}" for _ in range(_PATHS))
    return [path for device in devices for path in (device, STATUS)]


async def _ask(server: ApiServer, paths: list[str], until: float) -> list[float]:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    waited = []
    for path in cycle(paths):
        begun = time.perf_counter()
        if begun > until:
            break
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        await _read(reader, path)
        waited.append(time.perf_counter() - begun)
    writer.close()
    await writer.wait_closed()
    return waited


async def _read(reader: asyncio.StreamReader, path: str) -> None:
    """Read an answer to its end.

    Raises:
        RuntimeError: it is not the value.
    """
    status, *fields = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:"))
    data = await reader.readexactly(length)
    if b" 200" not in status:
        raise RuntimeError(f"GET {path}: {status!r} {data[:500]!r}")
