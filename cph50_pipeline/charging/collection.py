"""The record of a live collection: `sessions/YYYY/MM/DD/{id}.json`, one file a session, resumable.

A record grows sample by sample and can be continued from its file after a crash. When to sample, and the
waiting in between, is the business of the run that does it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.fields import Instant, read_document
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.civil_time import format_local, from_epoch_ms, local_date
from cph50_pipeline.errors import BadInputError

Labeler = Literal["classifier", "manual"]

ENDED = "done"
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Sample(BaseModel):
    """One look at the charger.

    Attributes:
        sample_number: From 1.
        timestamp: When we looked (UTC).
        timestamp_pt: The same as people read it in the household's zone. The name is older than the zone
            setting.
        power_kw: None when the look failed or power was not answered.
        energy_kwh: The session's counter; None as above.
        duration_minutes: Whole minutes plugged in.
        status: What the charger called its state, or "missed: …" with the reason.
        reading_at: When the charger took its reading, as it says; None when it does not say.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True, allow_inf_nan=False)

    sample_number: int
    timestamp: Instant
    timestamp_pt: str
    session_id: str
    power_kw: float | None = None
    energy_kwh: float | None = None
    duration_minutes: int | None = None
    status: str | None = None
    reading_at: Instant | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the look brought a reading."""
        return self.power_kw is not None or self.energy_kwh is not None


class CollectionRecord(BaseModel):
    """What a collection window saw of a session, and whose car it was found to be.

    Attributes:
        duration_seconds: From the start of the collection to its last sample.
        sample_count: Looks, missed ones included.
        valid_sample_count: Looks that brought a reading.
        interval_seconds: The pause asked for between looks.
        vehicle_id: "unknown" until somebody or something knows better.
        labeled_by: "classifier", "manual", or None.
        distinct_sample_count: Different readings among the samples; the charger updates more slowly than it
            is asked.
        collection_delay_seconds: From the session's start to the start of the collection.
        amperage_limit: The charger's limit (A) during all of the window; None when nobody could tell, or when it
            was changed under way.
        provisional_vehicle_id: The car that the classifier named last while the session was sampled; None when it
            named none. What is concluded later leaves it alone, so that a revision shows.
        provisional_vehicle_confidence: Its confidence.
    """

    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True, allow_inf_nan=False)

    session_id: str
    collection_start: Instant
    collection_end: Instant
    duration_seconds: float = 0.0
    sample_count: int = 0
    valid_sample_count: int = 0
    interval_seconds: int | float
    vehicle_id: str = UNKNOWN_VEHICLE
    vehicle_confidence: float | None = None
    labeled_by: Labeler | None = None
    labeled_at: Instant | None = None
    samples: tuple[Sample, ...] = ()
    distinct_sample_count: int = 0
    collection_delay_seconds: float | None = None
    amperage_limit: float | None = None
    provisional_vehicle_id: str | None = None
    provisional_vehicle_confidence: float | None = None

    @property
    def session_start(self) -> datetime | None:
        """When the session began (UTC); None when the record does not tell."""
        if self.collection_delay_seconds is None:
            return None
        return self.collection_start - timedelta(seconds=self.collection_delay_seconds)

    @classmethod
    def read(cls, document: object, name: str) -> CollectionRecord:
        """Read a stored record; `name` is the file's, for the error.

        Raises:
            BadInputError: naming the file and the field.
        """
        return read_document(cls, document, name)

    def document(self) -> dict[str, Any]:
        """The record fit for JSON."""
        return self.model_dump(mode="json")


def new_record(
    session_id: str, session_start: datetime, collection_start: datetime, interval_seconds: int | float
) -> CollectionRecord:
    """A record that holds no sample yet."""
    return CollectionRecord(
        session_id=session_id,
        collection_start=collection_start,
        collection_end=collection_start,
        interval_seconds=interval_seconds,
        collection_delay_seconds=(collection_start - session_start).total_seconds(),
    )


def add_sample(
    record: CollectionRecord, status: ChargingStatus, taken_at: datetime, zone: ZoneInfo
) -> CollectionRecord:
    """The record with one more look at its session.

    Raises:
        BadInputError: when the answer is of another session.
    """
    if status.session_id != record.session_id:
        raise BadInputError(
            f"Session {record.session_id}: ChargePoint answered with session {status.session_id}",
            kept="The samples taken so far are unchanged",
        )
    reported = status.last_update_data_timestamp
    sample = Sample(
        sample_number=len(record.samples) + 1,
        timestamp=taken_at,
        timestamp_pt=format_local(taken_at, zone),
        session_id=record.session_id,
        power_kw=status.power_kw,
        energy_kwh=status.energy_kwh,
        duration_minutes=_minutes_plugged_in(status, taken_at),
        status=ENDED if status.has_ended else status.current_charging,
        reading_at=None if reported is None else from_epoch_ms(reported),
    )
    return _with_samples(record, (*record.samples, sample))


def add_missed_sample(
    record: CollectionRecord, taken_at: datetime, reason: str, zone: ZoneInfo
) -> CollectionRecord:
    """The record with a look that brought nothing, for a reason fit to be published."""
    sample = Sample(
        sample_number=len(record.samples) + 1,
        timestamp=taken_at,
        timestamp_pt=format_local(taken_at, zone),
        session_id=record.session_id,
        status=f"missed: {reason}",
    )
    return _with_samples(record, (*record.samples, sample))


def with_amperage_limit(record: CollectionRecord, amperage_limit: float | None) -> CollectionRecord:
    """The record with the charger's limit (A) as answered when a window begins or goes on; None: not answered.

    The limit stands for all samples. So one that differs from what earlier samples were taken under makes it
    unknown, an unknown one stays unknown, and silence takes nothing away.
    """
    if not record.samples:
        return record.model_copy(update={"amperage_limit": amperage_limit})
    if amperage_limit is None or amperage_limit == record.amperage_limit:
        return record
    return record.model_copy(update={"amperage_limit": None})


def is_complete(record: CollectionRecord, sample_count: int) -> bool:
    """Whether no further look is wanted: enough were taken, or the last one saw the session over."""
    return len(record.samples) >= sample_count or (
        bool(record.samples) and record.samples[-1].status == ENDED
    )


def with_vehicle(
    record: CollectionRecord,
    *,
    vehicle_id: str,
    vehicle_confidence: float | None,
    labeled_by: Labeler | None,
    labeled_at: datetime | None,
) -> CollectionRecord:
    """The record with what was concluded about its vehicle."""
    return record.model_copy(
        update={
            "vehicle_id": vehicle_id,
            "vehicle_confidence": vehicle_confidence,
            "labeled_by": labeled_by,
            "labeled_at": labeled_at,
        }
    )


def joined(record: CollectionRecord, other: CollectionRecord) -> CollectionRecord:
    """Two records of one session as one: every look once, in order of time, and the label given last.

    The limit is the one that both were sampled under, the provisional car that of the later window.
    """
    first, second = sorted((record, other), key=lambda one: one.collection_start)
    labelled = max((record, other), key=lambda one: one.labeled_at or datetime.min.replace(tzinfo=UTC))
    whole = with_vehicle(
        first,
        vehicle_id=labelled.vehicle_id,
        vehicle_confidence=labelled.vehicle_confidence,
        labeled_by=labelled.labeled_by,
        labeled_at=labelled.labeled_at,
    )
    whole = whole.model_copy(
        update={
            "amperage_limit": first.amperage_limit if first.amperage_limit == second.amperage_limit else None,
            "provisional_vehicle_id": second.provisional_vehicle_id,
            "provisional_vehicle_confidence": second.provisional_vehicle_confidence,
        }
    )
    looks = {look.timestamp: look for look in (*second.samples, *first.samples)}
    numbered = [
        looks[at].model_copy(update={"sample_number": number}) for number, at in enumerate(sorted(looks), 1)
    ]
    return _with_samples(whole, tuple(numbered)) if numbered else whole


def collection_path(session_id: str, start: datetime, zone: ZoneInfo) -> str:
    """Where a session's record lies under the data root: by the local date of its start.

    Raises:
        BadInputError: when the id cannot be a file name.
    """
    if not _SAFE_ID.fullmatch(session_id):
        raise BadInputError(
            f"Session id '{session_id}' is not one", remedy="Ids hold letters, digits, - and _"
        )
    return f"sessions/{local_date(start, zone):%Y/%m/%d}/{session_id}.json"


def _minutes_plugged_in(status: ChargingStatus, taken_at: datetime) -> int:
    if status.session_time is not None:
        return status.session_time // 60_000
    return max(0, int((taken_at - from_epoch_ms(status.start_time)).total_seconds()) // 60)


def _with_samples(record: CollectionRecord, samples: tuple[Sample, ...]) -> CollectionRecord:
    valid = [sample for sample in samples if sample.is_valid]
    end = max(record.collection_end, samples[-1].timestamp)
    return record.model_copy(
        update={
            "samples": samples,
            "collection_end": end,
            "duration_seconds": (end - record.collection_start).total_seconds(),
            "sample_count": len(samples),
            "valid_sample_count": len(valid),
            "distinct_sample_count": len({(s.reading_at, s.power_kw, s.energy_kwh) for s in valid}),
        }
    )
