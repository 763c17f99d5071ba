"""devices.yaml: what it may say, the one line for what it may not, and the last good one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.sources.devices_file import DevicesFile, read_devices

EXAMPLE = Path(__file__).parents[3] / "data" / "devices.example.yaml"
SHIPPED = Path(__file__).parents[3] / "cph50_pipeline" / "shipped" / EXAMPLE.name
TEXT = EXAMPLE.read_text()


def changed(before: str, after: str) -> bytes:
    assert before in TEXT
    return TEXT.replace(before, after, 1).encode()


def fault_of(content: bytes) -> str:
    with pytest.raises(BadInputError) as caught:
        read_devices(content, "devices.yaml")
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_shipped_example_describes_two_trucks_all_at_once_in_long_rows() -> None:
    found = read_devices(EXAMPLE.read_bytes(), EXAMPLE.name)

    assert SHIPPED.read_bytes() == EXAMPLE.read_bytes()
    assert [*found.devices] == ["truck_1", "truck_2"]
    assert found.asks_all_at_once
    assert found.is_long
    assert found.parameters == {"unit_ids", "since"}
    assert found.look_back_minutes == 15
    assert found.sensors["brake_switch"].kind == "boolean"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("unit_column: unit", "unit_column: [unit", "line 18: expected ',' or ']', but got ':'"),
        ("truck_2: {", "truck_1: {", "line 37: truck_1 is there twice"),
        ("truck_2: {", "7: {", "devices.7: is no text in YAML; write it in quotes"),
        ("truck_2: {", "../etc: {", "devices.../etc: String should match"),
        ("401000002", "1.5", "devices.truck_2.unit_id: should be a whole number or text"),
        ("401000002", "401000001", "truck_1 and truck_2 have the same unit_id 401000001"),
        ("name: Truck 1", "name: 1", "devices.truck_1.name: should be text; write it in quotes"),
        ("poll_seconds: 60", "poll_seconds: 0", "devices.truck_2.poll_seconds: Input should be greater"),
        ("poll_seconds: 60", "poll: 60", "devices.truck_2.poll: there is no such field"),
        ("look_back_minutes: 15", "look_back: 15", "look_back: there is no such field"),
        ("look_back_minutes: 15", "look_back_minutes: .nan", "look_back_minutes: Input should be a finite"),
        (">= :since", ">= :until", "query: :until is no parameter; there are :unit_ids, :unit_id and :since"),
        ("IN :unit_ids", "IN (1, 2)", "query: it asks for :unit_ids"),
        ("IN :unit_ids", "IN :unit_ids AND unit = :unit_id", "query: it asks for :unit_ids"),
        ("unit_column: unit\n", "", "unit_column: with :unit_ids it has to say whose row it is"),
        ("time_kind: epoch_seconds", "time_kind: Mars/Olympus", "time_kind: 'Mars/Olympus' is none of"),
        ("time_column: measured_at", "time_column: 2026-99-99", "month must be in 1..12"),
        ("value_column: value", "#", "name_column: long rows have name_column and value_column"),
        ("{name: gear, ", "{column: gear, ", "sensors.gear: name: is missing"),
        (
            "{name: gear, ",
            "{name: gear, column: gear, ",
            "sensors.gear: it has a column (wide rows) or a name",
        ),
        ("kind: text", "kind: word", "sensors.gear.kind: Input should be 'number', 'text' or 'boolean'"),
        ("kind: text", "kind: text, scale: 2", "sensors.gear: kind: a text has no scale, offset or range"),
        ("range: [0, 4000]", "range: [4000, 0]", "sensors.rpm: range: the lower limit comes first"),
        ("scale: 1.609344", "scale: 0", "sensors.speed: scale: makes every value the same"),
    ],
)
def test_what_it_may_not_say_is_one_line_with_the_file_and_the_line_or_field(
    before: str, after: str, fault: str
) -> None:
    found = fault_of(changed(before, after))

    assert found.startswith("devices.yaml: ")
    assert fault in found


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"\xff", b"\x00", b"[" * 5000, b"a: &a [*a]", b"!!python/object:os.x {}"]
)
def test_what_is_no_such_file_at_all_is_one_line_too(content: bytes) -> None:
    assert fault_of(content).startswith("devices.yaml: ")


@given(st.binary(max_size=200))
def test_any_content_is_either_read_or_refused_in_one_line(content: bytes) -> None:
    assert "devices.yaml: " in fault_of(content)


def test_many_faults_are_told_by_the_first_and_their_number() -> None:
    devices = "".join(f"  d{number}: {{unit: {number}}}\n" for number in range(100))
    found = fault_of(TEXT.split("devices:")[0].encode() + f"devices:\n{devices}".encode())

    assert found.endswith("and 295 more")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "devices.yaml"
    path.write_text(TEXT)
    return path


def test_a_change_is_read_at_the_next_look(path: Path) -> None:
    file = DevicesFile.of(str(path.parent), "devices.yaml")
    before = [*file.current().devices]
    path.write_bytes(changed("truck_2", "truck_3"))

    assert before == ["truck_1", "truck_2"]
    assert [*file.current().devices] == ["truck_1", "truck_3"]
    assert file.notice is None


def test_a_file_that_nobody_changed_is_not_read_again(path: Path) -> None:
    file = DevicesFile.of("/somewhere/else", str(path))

    assert file.current() is file.current()
    path.touch()
    assert file.current() is file.current()


@pytest.mark.parametrize("broken", [b"query: [", b"\xff", b"{}", None])
def test_of_a_broken_file_the_last_good_one_stands_and_a_line_says_so(
    path: Path, broken: bytes | None
) -> None:
    file = DevicesFile.of(str(path.parent), "devices.yaml")
    good = file.current()
    path.unlink() if broken is None else path.write_bytes(broken)

    assert file.current() is good
    assert file.current() is good
    assert file.notice is not None
    assert file.notice.startswith("devices.yaml: ")
    assert "What it said before stays in force, with its 2 device(s). Correct it" in file.notice


@pytest.mark.parametrize("broken", [b"query: [", None])
def test_a_file_that_is_as_it_was_again_is_no_fault_any_more(path: Path, broken: bytes | None) -> None:
    file = DevicesFile.of(str(path.parent), "devices.yaml")
    file.current()
    path.unlink() if broken is None else path.write_bytes(broken)
    file.current()
    path.write_text(TEXT)

    assert [*file.current().devices] == ["truck_1", "truck_2"]
    assert file.notice is None


def test_a_file_that_was_never_good_is_an_error_until_it_is_corrected(path: Path) -> None:
    path.write_bytes(b"query: [")
    file = DevicesFile.of(str(path.parent), "devices.yaml")
    for _ in range(2):
        with pytest.raises(BadInputError, match=r"devices\.yaml: line 1: .* No telemetry is read\."):
            file.current()
    path.write_text(TEXT)

    assert file.current().asks_all_at_once


def test_a_file_that_is_not_there_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"^devices\.yaml: there is no such file\."):
        DevicesFile.of(str(tmp_path), "devices.yaml").current()
