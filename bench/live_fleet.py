"""`python -m bench.live_fleet DATA SECONDS`: a fleet that always has something new to say, polled into the live table.

A process of its own, as the poller is. Ends with its input.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from bench.homes import outer_environment
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.model import Device, DeviceKind, Polled, Reading
from cph50_pipeline.live.poller import Poller
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.locks import Locks

TELEMETRY = "telemetry"
FLEET = [f"truck_{number}" for number in range(1, 1001)]
SENSORS = 10


class BusyFleet:
    """A feed whose devices say something new at each look."""

    name = TELEMETRY
    notice = None

    def devices(self) -> Sequence[Device]:
        """All of them, asked as often as may be set."""
        return [Device(one, DeviceKind.TELEMETRY, one, TELEMETRY, 5.0) for one in FLEET]

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        """A value of each sensor, of now."""
        value = now.timestamp() % 1000
        return Polled(
            [
                Reading(device.device_id, f"sensor_{number}", value + number, "V", now)
                for device in devices
                for number in range(SENSORS)
            ]
        )


def poller_of(settings: Settings) -> Poller:
    """What polls that fleet into a household's live table."""
    log = logging.getLogger(__name__)
    return Poller([BusyFleet()], live_store(settings), Locks(settings.private_dir), _now, log)


@contextmanager
def polled_fleet(data: Path, seconds: float) -> Iterator[None]:
    """The process, for as long as the block lasts; a round each so many seconds."""
    command = [sys.executable, "-m", "bench.live_fleet", str(data), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=outer_environment()) as process:
        assert process.stdin is not None
        try:
            yield
        finally:
            process.stdin.close()


def main(data: str, seconds: str) -> None:
    """Poll until the input ends."""
    stop = Event()

    def listen() -> None:
        sys.stdin.read()
        stop.set()

    Thread(target=listen, daemon=True).start()
    poller_of(Settings(data_dir=data)).run(stop, float(seconds))


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main(*sys.argv[1:])
