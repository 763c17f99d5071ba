"""ChargePoint's answers, typed at the edge.

Undeclared fields are kept, so that what is stored is what was answered. Declared are only the fields that the
pipeline reads. Where the protocol is stated: docs/chargepoint.md. No network here (see
`sources/chargepoint.py`) and no scrubbing (see `privacy.py`): what identifies may be null, so it is optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from cph50_pipeline.errors import BadInputError

LAST_PAGE = "last_page"
_LAST_EPOCH_MS = 4_102_444_800_000  # the year 2100: what lies beyond is no time of a charger
_LONGEST_MS = 10 * 366 * 86_400_000  # ten years: no car is plugged in longer
_FIRST_MILLISECONDS = 100_000_000_000  # as seconds: the year 5138; as milliseconds: March 1973


def _as_id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


def _or_empty(value: object) -> object:
    return [] if value is None else value


SessionId = Annotated[str, Field(min_length=1), BeforeValidator(_as_id)]
Key = Annotated[str, BeforeValidator(_as_id)]
Number = Annotated[float, BeforeValidator(_no_bool)]
EpochMs = Annotated[int, Field(ge=0, le=_LAST_EPOCH_MS), BeforeValidator(_no_bool)]
Count = Annotated[int, BeforeValidator(_no_bool)]
DurationMs = Annotated[int, Field(le=_LONGEST_MS), BeforeValidator(_no_bool)]


class Answer(BaseModel):
    """A part of an answer: declared fields are checked, all others are kept."""

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, extra="allow", allow_inf_nan=False)

    def as_answered(self) -> dict[str, Any]:
        """The fields that were answered, declared or not, under their own names, fit for JSON."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


class CamelAnswer(Answer):
    """A part of an answer from the routes that write their fields in camel case."""

    model_config = ConfigDict(
        defer_build=True,
        alias_generator=AliasGenerator(alias=to_camel),
        populate_by_name=True,
        serialize_by_alias=True,
    )


class UpdatePoint(Answer):
    """One point of a session's curve. `energy_kwh` counts up from the start of the session."""

    timestamp: EpochMs
    energy_kwh: Number | None = None
    power_kw: Number | None = None


class SessionAnswer(Answer):
    """What a session's row in the activity and its `charging_status` have in common. Times are Unix ms."""

    session_id: SessionId
    start_time: EpochMs
    end_time: EpochMs | None = None
    energy_kwh: Number
    power_kw: Number | None = None
    session_time: DurationMs | None = None  # ms, plugged in
    charging_time: DurationMs | None = None  # ms, drawing power
    current_charging: str | None = None  # "done" when it has ended
    last_update_data_timestamp: EpochMs | None = None
    start_offset: Count | None = None  # s, the UTC offset at the start
    total_amount: Number | None = None
    is_home_charger: bool | None = None
    charger_label: str | None = None  # ours, see privacy.py

    @property
    def has_ended(self) -> bool:
        """Whether ChargePoint calls the session over: an end, and no state that contradicts it."""
        return self.end_time is not None and self.current_charging in (None, "done")


class ActivityRow(SessionAnswer):
    """One session in a `charging_activity_monthly` answer."""


class ChargingStatus(SessionAnswer):
    """A session with its curve, from `charging_status` or `driver-bff/v1/sessions/{id}`."""

    update_data: Annotated[list[UpdatePoint], BeforeValidator(_or_empty)] = []


class ActivityMonth(Answer):
    """One month of a page. Its rows are checked one by one, so that an error names the session."""

    sessions: Annotated[list[dict[str, Any]], BeforeValidator(_or_empty)] = []


class ActivityPage(Answer):
    """One page of a `charging_activity_monthly` answer, newest sessions first.

    `page_offset` asks for the next page. It has to be answered: an answer without it could be an error or a
    piece of the history, and neither may pass for the whole.
    """

    month_info: Annotated[list[ActivityMonth], BeforeValidator(_or_empty)] = []
    page_offset: str | int

    @property
    def is_last(self) -> bool:
        """Whether no older sessions follow."""
        return self.page_offset == LAST_PAGE


class Station(CamelAnswer):
    """A charger of a session in progress."""

    device_id: Key | None = None
    name: str | None = None
    charger_label: str | None = Field(default=None, alias="charger_label")


class ActiveSession(CamelAnswer):
    """The account's session in progress, from `user_status`."""

    session_id: SessionId
    state: str | None = None  # late to come: the answer follows the charger with a delay
    start_time: Number | None = Field(default=None, alias="startTimeUTC", ge=0, le=_LAST_EPOCH_MS)  # s, or ms
    stations: Annotated[list[Station], BeforeValidator(_or_empty)] = []

    @property
    def start(self) -> datetime | None:
        """When the session began (UTC), None when it was not answered."""
        if self.start_time is None:
            return None
        seconds = self.start_time / 1000 if self.start_time >= _FIRST_MILLISECONDS else self.start_time
        return datetime.fromtimestamp(seconds, tz=UTC)

    @property
    def charger_label(self) -> str | None:
        """The label of the charger in use, None when it was not answered."""
        return next((station.charger_label for station in self.stations if station.charger_label), None)


class AmperageSettings(CamelAnswer):
    """How much current a charger may draw."""

    charge_limit: Number | None = None  # A
    possible_charge_limit: Annotated[list[Number], BeforeValidator(_or_empty)] = []  # A


class ChargerStatus(CamelAnswer):
    """A charger as it is now."""

    is_plugged_in: bool
    is_connected: bool  # to ChargePoint
    charging_status: str | None = None
    charge_amperage_settings: AmperageSettings | None = None
    brand: str | None = None
    model: str | None = None
    mac_address: str | None = None
    charger_id: Key | None = None  # ours: the id asked for
    charger_label: str | None = Field(default=None, alias="charger_label")

    @property
    def amperage_limit(self) -> float | None:
        """The limit in force in amperes, None when it was not answered."""
        return self.charge_amperage_settings.charge_limit if self.charge_amperage_settings else None


class TechnicalInfo(CamelAnswer):
    """What a charger is and runs."""

    model_number: str | None = None
    software_version: str | None = None
    serial_number: str | None = None
    mac_address: str | None = None
    stop_charge_supported: bool | None = None
    charger_label: str | None = Field(default=None, alias="charger_label")


class User(CamelAnswer):
    """Whose account it is."""

    user_id: Key | None = None
    username: str | None = None


class Account(CamelAnswer):
    """The account's profile."""

    user: User


class Charger(Answer):
    """An entry in the account's list of chargers."""

    id: Key


class ChargerList(Answer):
    """The account's chargers."""

    data: list[Charger]


class Endpoint(Answer):
    """An address in the answer of discovery."""

    value: str


class Discovery(CamelAnswer):
    """Where ChargePoint's services answer for an account."""

    region: Annotated[str, Field(pattern=r"^[!-~]+$")]  # is sent as a header
    end_points: dict[str, Endpoint | str | None]

    def address(self, name: str) -> str | None:
        """The address of a service, always ending in "/"; None when discovery does not name it."""
        endpoint = self.end_points.get(name)
        value = endpoint.value if isinstance(endpoint, Endpoint) else endpoint
        return value.rstrip("/") + "/" if value else None


AnswerT = TypeVar("AnswerT", bound=Answer)


def read_answer(kind: type[AnswerT], answer: object, subject: str) -> AnswerT:
    """An answer, checked and typed.

    Args:
        kind: What it should be.
        answer: The answer as JSON gives it.
        subject: What was asked, for the message: "session 1234567890", "the list of chargers".

    Raises:
        BadInputError: when fields are missing or wrong; names the subject and each field, never a value.
    """
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    raise unusable_answer(subject, "; ".join(_explain(dict(detail)) for detail in details))


def unusable_answer(subject: str, faults: str) -> BadInputError:
    """The error for an answer that is not what it should be; `faults` names fields, never values."""
    return BadInputError(
        f"ChargePoint's answer for {subject} cannot be used: {faults}",
        kept="What is stored stays as it is",
        remedy="Try again later; if it persists, ChargePoint has changed its answers: report these fields",
    )


def read_session(kind: type[AnswerT], answer: object) -> AnswerT:
    """An answer about one session, checked and typed.

    Raises:
        BadInputError: when fields are missing or wrong; names the session and each field, never a value.
    """
    session_id = answer.get("session_id") if isinstance(answer, Mapping) else None
    known = str(session_id).isdigit()
    return read_answer(kind, answer, f"session {session_id}" if known else "a session without an id")


def _explain(detail: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "the whole"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{field}: {message[0].lower()}{message[1:]}"
