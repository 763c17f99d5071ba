"""A fleet's devices, as `devices.yaml` declares them, and the last good one while it cannot be read.

What becomes of a row is decided in `sql_rows.py`, how rows are asked for in `sql_telemetry.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.storage.files import DataRoot

DeviceId = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$")]
SensorName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$")]
UnitId = StrictInt | StrictStr
SensorKind = Literal["number", "text", "boolean"]

EPOCH_SECONDS, EPOCH_MS, UTC_TIMES = "epoch_seconds", "epoch_ms", "utc"
ALL_UNITS, ONE_UNIT, SINCE = "unit_ids", "unit_id", "since"
_SHOWN_FAULTS = 5


class FleetSensor(BaseModel):
    """Where a sensor's value stands in the rows of the query, and what it means.

    Attributes:
        column: The column that holds it, in wide rows.
        name: What the source calls it, in long rows.
        unit: Of the value as it is shown, after `scale` and `offset`; None for what has none.
        scale: Multiplies the number that the source has.
        offset: Is added after that.
        range: The least and the most that are possible, in `unit`; a value outside is left out.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)

    column: str | None = Field(default=None, min_length=1)
    name: str | None = Field(default=None, min_length=1)
    unit: str | None = None
    kind: SensorKind = "number"
    scale: float = 1.0
    offset: float = 0.0
    range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.column is None) == (self.name is None):
            raise ValueError("it has a column (wide rows) or a name (long rows)")
        if self.scale == 0:
            raise ValueError("scale: makes every value the same")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError("range: the lower limit comes first")
        if self.kind != "number" and (self.range is not None or self.scale != 1.0 or self.offset != 0.0):
            raise ValueError(f"kind: a {self.kind} has no scale, offset or range")
        return self


class FleetDevice(BaseModel):
    """A device of the fleet.

    Attributes:
        unit_id: What the database calls it, of the type that its column has.
        name: For people.
        poll_seconds: How often it is asked.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)

    unit_id: UnitId
    name: str = Field(min_length=1, max_length=200)
    poll_seconds: float = Field(default=30.0, ge=5, le=86_400)


class DevicesConfig(BaseModel):
    """What is read of a fleet's database.

    Attributes:
        query: SQL with the parameter `:unit_ids` (all devices at once) or `:unit_id` (one at a time), and `:since`
            where it looks back only so far.
        look_back_minutes: How long before now `:since` is.
        unit_column: The column that tells whose row it is; needed with `:unit_ids`.
        time_column: The column that tells when the row was measured.
        time_kind: `epoch_seconds`, `epoch_ms`, `utc`, or the time zone of times that name none.
        name_column: Of long rows: the column that names the sensor.
        value_column: Of long rows: the column that holds its value.
        sensors: By what they are called here.
        devices: By device id.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)

    query: str
    look_back_minutes: float = Field(default=15.0, gt=0, le=525_600)
    unit_column: str | None = None
    time_column: str
    time_kind: str
    name_column: str | None = None
    value_column: str | None = None
    sensors: dict[SensorName, FleetSensor] = Field(min_length=1)
    devices: dict[DeviceId, FleetDevice]

    @field_validator("query")
    @classmethod
    def _binds_what_is_known(cls, query: str) -> str:
        bound = _parameters(query)
        if unknown := sorted(bound - {ALL_UNITS, ONE_UNIT, SINCE}):
            raise ValueError(
                f":{unknown[0]} is no parameter; there are :unit_ids, :unit_id and :since, and a colon that "
                r"begins none is written \:"
            )
        if len(bound & {ALL_UNITS, ONE_UNIT}) != 1:
            raise ValueError("it asks for :unit_ids, all devices at once, or for :unit_id, one at a time")
        return query

    @field_validator("time_kind")
    @classmethod
    def _a_kind_of_time(cls, kind: str) -> str:
        if kind not in {EPOCH_SECONDS, EPOCH_MS, UTC_TIMES} and kind not in available_timezones():
            raise ValueError(
                f"{kind!r} is none of epoch_seconds, epoch_ms, utc, or a time zone such as America/Los_Angeles"
            )
        return kind

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.name_column is None) != (self.value_column is None):
            raise ValueError("name_column: long rows have name_column and value_column, wide rows neither")
        if self.asks_all_at_once and self.unit_column is None:
            raise ValueError("unit_column: with :unit_ids it has to say whose row it is")
        for name, sensor in self.sensors.items():
            if self.is_long != (sensor.name is not None):
                needed = "name" if self.is_long else "column"
                raise ValueError(f"sensors.{name}: {needed}: is missing; all sensors have one")
        counted = Counter(str(device.unit_id) for device in self.devices.values())
        if twice := [unit for unit, count in counted.items() if count > 1]:
            sharing = [id_ for id_, device in self.devices.items() if str(device.unit_id) == twice[0]]
            raise ValueError(f"devices: {' and '.join(sharing)} have the same unit_id {twice[0]}")
        return self

    @property
    def is_long(self) -> bool:
        """Whether a row is one value of one sensor, rather than all of a device."""
        return self.name_column is not None

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The parameters that the query has."""
        return frozenset(_parameters(self.query))

    @property
    def asks_all_at_once(self) -> bool:
        """Whether one query asks for all devices."""
        return ALL_UNITS in self.parameters

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of times that name none."""
        is_utc = self.time_kind in {EPOCH_SECONDS, EPOCH_MS, UTC_TIMES}
        return ZoneInfo("UTC" if is_utc else self.time_kind)


class DevicesFile:
    """`devices.yaml`, read again when it changes; of a broken one the last good one stands.

    Args:
        root: Where it lies.
        name: Its path there.
    """

    def __init__(self, root: DataRoot, name: str) -> None:
        self._root = root
        self._name = name
        self._stamp: object = self  # like no stamp: the first look reads
        self._digest = b""
        self._good: DevicesConfig | None = None
        self._fault: BadInputError | None = None

    @classmethod
    def of(cls, data_root: str, devices_file: str) -> DevicesFile:
        """The file that the settings name: a path in the data root, or an absolute one."""
        path = Path(devices_file)
        if path.is_absolute():
            return cls(DataRoot(str(path.parent)), path.name)
        return cls(DataRoot(data_root), devices_file)

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return self._name

    @property
    def notice(self) -> str | None:
        """What is wrong with it while the last good one stands, in one line."""
        return None if self._fault is None else str(self._fault)

    def current(self) -> DevicesConfig:
        """What it says, or said when it was last good.

        Raises:
            BadInputError: it cannot be used, and never could in this process; it names the line or the field.
        """
        try:
            self._look()
        except Cph50Error as error:
            self._fault = self._faulty(error.message)
            self._stamp = self  # it may come back as it was
        if self._good is None:
            assert self._fault is not None
            raise self._fault
        return self._good

    def _look(self) -> None:
        stamp = self._root.stamp(self._name)
        if stamp == self._stamp:
            return
        content = self._root.read(self._name)
        if content is None:
            raise BadInputError(f"{self._name}: there is no such file")
        digest = hashlib.sha256(content).digest()
        if digest != self._digest or self._fault is not None:
            self._take(content)
            self._digest = digest
        self._stamp = stamp

    def _take(self, content: bytes) -> None:
        try:
            self._good = read_devices(content, self._name)
            self._fault = None
        except BadInputError as error:
            self._fault = self._faulty(error.message)

    def _faulty(self, message: str) -> BadInputError:
        kept = "No telemetry is read"
        if self._good is not None:
            kept = f"What it said before stays in force, with its {len(self._good.devices)} device(s)"
        return BadInputError(message, kept=kept, remedy="Correct it; it is read again by itself")


def read_devices(content: bytes, name: str) -> DevicesConfig:
    """Read the file's text.

    Args:
        name: The file, for the error.

    Raises:
        BadInputError: naming the file and the line, or of each fault the field.
    """
    document = _parse(content, name)
    if not isinstance(document, dict):
        raise BadInputError(
            f"{name}: it holds no fields; it begins with query, time_column, sensors, devices"
        )
    try:
        return DevicesConfig.model_validate(document)
    except ValidationError as error:
        said = (_explain(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors())
        faults = [*dict.fromkeys(said)]
        more = [f"and {len(faults) - _SHOWN_FAULTS} more"] if len(faults) > _SHOWN_FAULTS else []
        raise BadInputError(f"{name}: {'; '.join([*faults[:_SHOWN_FAULTS], *more])}") from None


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that is there twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse(content: bytes, name: str) -> object:
    try:
        return yaml.load(content.decode(), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise BadInputError(f"{name}: {line}{error.problem or 'it is no YAML'}") from None
    except UnicodeDecodeError as error:
        line_number = content.count(b"\n", 0, error.start) + 1
        raise BadInputError(f"{name}: line {line_number}: it is not text in UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        words = str(error).splitlines()[0] if str(error) else "it is no YAML"
        raise BadInputError(f"{name}: {words}") from None


def _parameters(query: str) -> set[str]:
    from sqlalchemy import text

    return set(text(query).compile().params)


def _explain(location: tuple[int | str, ...], kind: str, message: str) -> str:
    words = message.removeprefix("Value error, ")
    if kind == "string_type" and location[-1:] == ("[key]",):
        words = "is no text in YAML; write it in quotes"
    elif location[-1:] in (("int",), ("str",)):  # of a field of two types each has a fault of its own
        words = "should be a whole number or text"
    elif kind == "string_type":
        words = "should be text; write it in quotes"
    elif kind == "extra_forbidden":
        words = "there is no such field"
    elif kind == "missing":
        words = "is missing"
    parts = [str(part) for part in location if part not in ("[key]", "int", "str")]
    return ": ".join([*([".".join(parts)] if parts else []), words])
