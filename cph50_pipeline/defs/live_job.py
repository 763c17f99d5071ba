"""The job that polls every feed of latest values once: for who does not want to wait for the next look of a sensor.

It is no collector of its own: a feed that another process polls is left to that one.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from logging import Logger

import dagster as dg

from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.defs.charger_values import SOURCE, charger_device
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.jobs import LIVE_JOB
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.live_direct import ASKED_SECONDS, look_at_charger
from cph50_pipeline.defs.live_feeds import build_feeds
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.feed import Feed
from cph50_pipeline.live.model import Cycle, Device, Polled, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.charger_source import ChargerSource


class ChargerFeed:
    """The household's chargers, asked themselves. `charger_sensor` is told what it saw instead: see `charger_looks`.

    Args:
        source: Gives the client; raises where settings are wrong.
    """

    name = SOURCE
    notice = None

    def __init__(self, settings: Settings, source: Callable[[], ChargerSource]) -> None:
        self._settings = settings
        self._source = source
        self._charger_ids: dict[str, str] = {}

    def devices(self) -> Sequence[Device]:
        """The chargers of the account; one that was seen before keeps the name it has.

        Raises:
            Cph50Error: they could not be asked for.
        """
        source = self._source()
        with source.within(ASKED_SECONDS):
            labels = {charger_label(id_): id_ for id_ in source.chargers()}
        self._charger_ids = {label: id_ for label, id_ in labels.items() if label is not None}
        known = {one.device_id: one for one in live_store(self._settings).devices() if one.source == SOURCE}
        return [
            known.get(label) or charger_device(None, self._settings.poll_seconds, label)
            for label in sorted(self._charger_ids)
        ]

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        """Look at each charger; one that does not answer costs no other."""
        readings: list[Reading] = []
        troubles: dict[str, str] = {}
        source = self._source()
        for device in devices:
            try:
                with source.within(ASKED_SECONDS):
                    readings += look_at_charger(source, self._charger_ids[device.device_id], self._settings)
            except Cph50Error as error:
                troubles[device.device_id] = error.message
        return Polled(readings, troubles)


def build_live_job(settings: Settings) -> dg.JobDefinition:
    """The job; it fails when a feed could not be read at all, after all of them."""

    @dg.op(
        # By the store's lock others see that this run is alive, however long it takes.
        required_resource_keys={"store", "chargepoint", "home_assistant"},
        out=dg.Out(dg.Nothing),
        description="Asks every device once what it says.",
    )
    def poll_feeds(context: dg.OpExecutionContext) -> None:
        given = context.resources
        charger = ChargerFeed(settings, given.chargepoint.client)
        meters = build_feeds(settings, given.store, given.home_assistant.client)
        with as_dagster_failure():
            cycles = [
                *_round([charger], settings.poll_seconds, settings, given.store, context.log),
                *_round(meters, settings.live_seconds, settings, given.store, context.log),
            ]
            lost = _lost(settings, {cycle.feed for cycle in cycles})
        metadata = {cycle.feed: _sentence(cycle) for cycle in cycles}
        if lost:
            raise dg.Failure("; ".join(lost), metadata=metadata, allow_retries=False)
        context.add_output_metadata(metadata)

    @dg.job(
        name=LIVE_JOB,
        description="Ask all devices once for the latest values, but for feeds that another process polls.",
    )
    def live_job() -> None:
        poll_feeds()

    return live_job


def _round(
    feeds: Sequence[Feed], interval_seconds: float, settings: Settings, store: Store, log: Logger
) -> list[Cycle]:
    from cph50_pipeline.live.poller import Poller

    poller = Poller(feeds, live_store(settings), store.locks, _now, log)
    return poller.one_round(_now(), interval_seconds)


def _lost(settings: Settings, asked: set[str]) -> list[str]:
    """One line for each feed that was asked and of which nothing could be read."""
    return [
        f"{beat.feed}: {beat.trouble}"
        for beat in live_store(settings).heartbeats()
        if beat.feed in asked and beat.failures > 0
    ]


def _sentence(cycle: Cycle) -> str:
    return f"{cycle.devices} devices, {cycle.updated} newer values, {cycle.errors} could not be read"


def _now() -> datetime:
    return datetime.now(UTC)
