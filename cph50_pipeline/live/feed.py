"""What the poller needs of a source of latest values: the seam that the sources of devices implement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cph50_pipeline.live.model import Device, Polled


class Feed(Protocol):
    """A source of devices and what they say."""

    @property
    def name(self) -> str:
        """`charger`, `home_assistant` or `telemetry`."""

    @property
    def notice(self) -> str | None:
        """What a person should know of its configuration, one line; None: nothing."""

    def devices(self) -> Sequence[Device]:
        """The devices it has now; its configuration is read again where it changed, else the last good one stands."""

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        """Ask the devices what they say; one that fails costs no other.

        Raises:
            Cph50Error: nothing could be asked at all.
        """
