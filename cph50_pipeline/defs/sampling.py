"""A session sampled while it runs: its window, the charger's limit, and the car as soon as it shows.

Every look is saved to the session's own file. When to look and what becomes of a look that fails is in
`sources.fetching`, what a record holds in `charging.collection`, how the car is named in `defs.provisional`.
"""

from datetime import UTC, datetime
from logging import Logger
from time import sleep

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import (
    CollectionRecord,
    collection_path,
    is_complete,
    new_record,
    with_amperage_limit,
)
from cph50_pipeline.civil_time import from_epoch_ms
from cph50_pipeline.defs.provisional import ProvisionalNaming
from cph50_pipeline.defs.resources import ChargePoint
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, NotFoundError, TransientError
from cph50_pipeline.sources.charger_source import ChargerSource
from cph50_pipeline.sources.fetching import SamplingWindow, fetch_amperage_limit, sample_session

LIMIT_SECONDS = 10.0  # the first look waits for it, and a look cannot be made up for


def sample_live(status: ChargingStatus, store: Store, chargepoint: ChargePoint, log: Logger) -> None:
    """Sample a running session until its window is full or it ends; goes on where its file stops.

    Args:
        status: The session's latest answer.

    Raises:
        Cph50Error: the session cannot be read any more; what was sampled is saved.
    """
    client = chargepoint.client()
    start = from_epoch_ms(status.start_time)
    path = collection_path(status.session_id, start, store.zone)
    window = SamplingWindow(
        count=chargepoint.sample_count,
        interval_seconds=chargepoint.sample_interval_seconds,
        zone=store.zone,
        now=lambda: datetime.now(UTC),
        sleep=sleep,
    )
    with store.locks.session(status.session_id), client.unmetered():
        record = store.collection_at(path)
        if record is None or not is_complete(record, window.count):
            limit = _amperage_limit(client, status, log)
            begun = record or new_record(status.session_id, start, window.now(), window.interval_seconds)
            record = sample_session(
                client,
                status,
                with_amperage_limit(begun, limit),
                window,
                _Saver(path, store, ProvisionalNaming(status, store, log), status, log),
            )
    log.info(
        f"Session {status.session_id}: {record.sample_count} samples, {record.distinct_sample_count} distinct"
    )


class _Saver:
    """Writes a record and the latest values after every look, and once more when the look names its car."""

    def __init__(
        self, path: str, store: Store, naming: ProvisionalNaming, status: ChargingStatus, log: Logger
    ) -> None:
        self._path = path
        self._store = store
        self._naming = naming
        self._status = status
        self._log = log

    def __call__(self, record: CollectionRecord) -> CollectionRecord:
        """Save the look before anything is made of it."""
        self._store.write_collection(self._path, record)
        if self._store.latest is not None:
            self._store.latest.sample(self._status, record, self._log)
        named = self._naming.named(record)
        if named != record:
            self._store.write_collection(self._path, named)
        return named


def _amperage_limit(source: ChargerSource, status: ChargingStatus, log: Logger) -> float | None:
    """The limit at the session's charger (A). Not knowing it costs less than the looks it would delay."""
    unknown = f"Session {status.session_id} is sampled without its charger's amperage limit"
    try:
        with source.within(LIMIT_SECONDS):
            limit = fetch_amperage_limit(source, status)
    except (TransientError, NotFoundError, BadInputError) as error:
        log.warning(f"{unknown}: {error}")
        return None
    if limit is None:
        log.info(f"{unknown}: it is not one of the household's chargers, or the charger does not tell")
    return limit
