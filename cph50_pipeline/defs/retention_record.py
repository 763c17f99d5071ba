"""`power/retention.json`: the months whose readings were thinned, and whose rollups therefore stand as they are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.charging.fields import read_document
from cph50_pipeline.defs.store import Store

RETENTION_FILE = "power/retention.json"


class Thinned(BaseModel):
    """How a month was thinned.

    Attributes:
        seconds: One reading of each meter in so long a stretch was kept.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    seconds: int = Field(gt=0)


class RetentionRecord(BaseModel):
    """The thinned months."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    thinned: dict[str, Thinned] = {}


def retention_record(store: Store) -> RetentionRecord:
    """The thinned months; none when the file does not exist.

    Raises:
        BadInputError: the file is there and cannot be used: no month is rolled up while it is not known which must not.
    """
    document = store.read_document(RETENTION_FILE)
    return RetentionRecord() if document is None else read_document(RetentionRecord, document, RETENTION_FILE)


def is_thinned(store: Store, month: str) -> bool:
    """Whether a month's readings do not tell any more what its rollups are."""
    return month in retention_record(store).thinned
