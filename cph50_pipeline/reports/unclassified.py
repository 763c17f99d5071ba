"""The report of sessions without a car: what a person should look at, what groups there are, and how many a month.

How the queue and the groups come about is in `vehicles.review` and `vehicles.groups`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.fields import Instant
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.civil_time import format_instant, format_local, month_of
from cph50_pipeline.reports.parts import Document, Part
from cph50_pipeline.reports.text import Cell, csv_text, markdown_table
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.groups import Group
from cph50_pipeline.vehicles.plateaus import NamedSession
from cph50_pipeline.vehicles.release import Gate
from cph50_pipeline.vehicles.review import ReviewItem, label_command, review, unnamed_groups

CSV_COLUMNS = (
    "kind",
    "session_id",
    "start",
    "vehicle_id",
    "suggestion",
    "sessions",
    "sentence",
    "todo",
    "command",
    "confirm_command",
)
GROUP_KIND = "group"


class Example(Part):
    """A session to label first, with its start, by which people remember it."""

    session_id: str
    start: Instant


class SessionGroup(Part):
    """Sessions that charged alike and that nobody named; see `vehicles.groups.Group`."""

    question: str
    power_kw: float
    amperage_limits: tuple[float, ...]
    sessions: int
    first_start: Instant
    last_start: Instant
    examples: tuple[Example, ...]
    labels_wanted: int
    guess: str | None
    todo: str
    command: str


class MonthCounts(Part):
    """How a month's sessions were named. `by_hand`, `by_classifier`, `unknown` and `nothing_seen` sum to `sessions`.

    Attributes:
        month: By the sessions' local start.
        unknown: Charged steadily at home and named by nobody.
        nothing_seen: Too idle, too short or elsewhere, so that nothing tells the car.
        needs_review: Of all of them, those that a person should look at.
    """

    month: str
    sessions: int
    by_hand: int
    by_classifier: int
    unknown: int
    nothing_seen: int
    needs_review: int


class UnclassifiedReport(Document):
    """The whole report.

    Attributes:
        queue: What helps most first.
        groups: The largest first.
        singles: Sessions named by nobody that are like too few others, in order of time.
        months: By month.
    """

    queue: tuple[ReviewItem, ...]
    groups: tuple[SessionGroup, ...]
    singles: tuple[str, ...]
    months: tuple[MonthCounts, ...]


def unclassified_report(
    sessions: Iterable[NamedSession], model: VehicleModel, zone: ZoneInfo
) -> UnclassifiedReport:
    """The report of all stored sessions; the same for the same sessions in any order.

    Args:
        model: The one in force.
        zone: The household's, in which a session has its month.
    """
    ordered = sorted(sessions, key=lambda one: (one.case.start, one.case.session_id))
    starts = {one.case.session_id: one.case.start for one in ordered}
    proposal = unnamed_groups(ordered, model)
    by_month: dict[str, list[NamedSession]] = defaultdict(list)
    for one in ordered:
        by_month[month_of(one.case.start, zone)].append(one)
    return UnclassifiedReport(
        queue=tuple(review(ordered, model)),
        groups=tuple(
            _entry(group, [Example(session_id=id_, start=starts[id_]) for id_ in group.examples])
            for group in proposal.groups
        ),
        singles=proposal.singles,
        months=tuple(_counts(month, members) for month, members in sorted(by_month.items())),
    )


def unclassified_csv(report: UnclassifiedReport) -> str:
    """The queue and the groups, a row each; a group is shown by the session to label first."""
    return csv_text(CSV_COLUMNS, [*map(_queue_row, report.queue), *map(_group_row, report.groups)])


def queue_markdown(report: UnclassifiedReport, zone: ZoneInfo, limit: int = 30) -> str:
    """The beginning of the queue as a table."""
    rows = [
        (item.kind.value, item.session_id, format_local(item.start, zone), item.sentence, item.command)
        for item in report.queue[:limit]
    ]
    return markdown_table(("why", "session", "start", "what is the matter", "what to type"), rows)


def groups_markdown(report: UnclassifiedReport) -> str:
    """The groups as a table."""
    rows = [
        (group.question, ", ".join(example.session_id for example in group.examples), group.todo)
        for group in report.groups
    ]
    return markdown_table(("question", "label first", "what to do"), rows)


def counts_markdown(report: UnclassifiedReport) -> str:
    """The months as a table."""
    return markdown_table(
        tuple(name.replace("_", " ") for name in MonthCounts.model_fields),
        [tuple(month.model_dump().values()) for month in report.months],
    )


def _entry(group: Group, examples: Sequence[Example]) -> SessionGroup:
    wanted = group.labels_wanted
    by_itself = Gate().minimum_labels
    return SessionGroup(
        question=group.question,
        power_kw=group.power_kw,
        amperage_limits=group.amperage_limits,
        sessions=len(group.session_ids),
        first_start=group.first_start,
        last_start=group.last_start,
        examples=tuple(examples),
        labels_wanted=wanted,
        guess=group.guess,
        todo=(
            f"Label {wanted} of them, these first, then `cph50 train --release`; "
            f"from {by_itself} labels of every car on that is not needed"
        ),
        command=label_command(group.examples[0], group.guess),
    )


def _counts(month: str, members: Sequence[NamedSession]) -> MonthCounts:
    named = [one.classification for one in members]
    nameless = [one for one in members if one.classification.labeled_by is None]
    steady = sum(one.case.fingerprint is not None for one in nameless)
    return MonthCounts(
        month=month,
        sessions=len(members),
        by_hand=sum(one.labeled_by == "manual" for one in named),
        by_classifier=sum(one.labeled_by == "classifier" for one in named),
        unknown=steady,
        nothing_seen=len(nameless) - steady,
        needs_review=sum(one.needs_review for one in named),
    )


def _queue_row(item: ReviewItem) -> tuple[Cell, ...]:
    return (
        item.kind.value,
        item.session_id,
        format_instant(item.start),
        item.vehicle_id,
        item.suggestion,
        1,
        item.sentence,
        item.todo,
        item.command,
        item.confirm_command,
    )


def _group_row(group: SessionGroup) -> tuple[Cell, ...]:
    first = group.examples[0]
    return (
        GROUP_KIND,
        first.session_id,
        format_instant(first.start),
        UNKNOWN_VEHICLE if group.guess is None else group.guess,
        group.guess,
        group.sessions,
        group.question,
        group.todo,
        group.command,
        None,
    )
