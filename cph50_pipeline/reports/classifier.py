"""The report of a training: what the classifier knows of each car, how well it does, and what became of it.

As one page, and as tables for Dagster's own. Values in, text out; how scores come about stands in `vehicles.scores`,
what is good enough in `vehicles.release`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.reports import pictures
from cph50_pipeline.reports.pages import render
from cph50_pipeline.reports.text import markdown_table
from cph50_pipeline.vehicles.classifier import KnownVehicle, VehicleModel
from cph50_pipeline.vehicles.levels import Regime
from cph50_pipeline.vehicles.release import Decision, Outcome
from cph50_pipeline.vehicles.scores import Scores
from cph50_pipeline.vehicles.training import Doubt, LabelledSession

Row = tuple[str, ...]
NONE = "-"


@dataclass(frozen=True)
class TrainingReport:
    """One training, or one rollback.

    Attributes:
        model: The candidate, or the model that was put back.
        before: The model that was in force before it, or is in force instead of it.
        decision: What became of the candidate; None for a rollback.
        sessions: The labelled sessions, as far as they could be read.
        doubted: Those whose label all others contradict.
    """

    model: VehicleModel
    before: VehicleModel
    decision: Decision | None
    sessions: Sequence[LabelledSession] = ()
    doubted: Sequence[Doubt] = ()

    @cached_property
    def headline(self) -> str:
        """What happened, in a sentence."""
        if self.decision is None:
            return f"{self.before.version} was taken back; {self.model.version} is in force again."
        if self.decision.outcome is Outcome.RELEASED:
            in_spite = ", by hand, although:" if self.decision.reasons else "."
            return f"{self.model.version} was released{in_spite}"
        if self.decision.outcome is Outcome.REFUSED:
            stays = f"{self.before.version} stays in force" if self.before.vehicles else "no car is known yet"
            return f"{self.model.version} was refused, and {stays}, because:"
        return self.standing

    @property
    def standing(self) -> str:
        """How things stand, in a sentence that stays the same when the same labels are learned again."""
        if self.decision is None or self.decision.outcome is Outcome.REFUSED:
            return self.headline
        if not self.model.vehicles:
            return "No car is known yet: no labelled session has steady charging."
        return f"{self.model.version} is in force."

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against the candidate."""
        return () if self.decision is None else self.decision.reasons

    @property
    def is_refused(self) -> bool:
        """Whether the candidate is not in force."""
        return self.decision is not None and self.decision.outcome is Outcome.REFUSED

    @property
    def scores(self) -> Scores | None:
        """How the shown model did on sessions that it had not seen."""
        return self.model.training.validated


def page(report: TrainingReport) -> str:
    """The report as one page that needs nothing else: no script, no other file, light or dark as the reader has it."""
    scores = report.scores
    return render(
        "classifier.html.j2",
        report=report,
        picture_style=pictures.STYLE,
        separation=separation_picture(report),
        reliability=None if scores is None else pictures.reliability(scores.reliability),
        levels=level_rows(report.model),
        figures=figure_rows(report),
        confusion=None if scores is None else confusion_rows(scores),
        unknown=UNKNOWN_VEHICLE,
    )


def separation_picture(report: TrainingReport) -> str:
    """The cars' labelled plateaus, with what the supply does to all cars alike taken out."""
    in_time = sorted(report.sessions, key=lambda one: (one.start, one.session_id))
    own = [one for one in in_time if one.vehicle_id in report.model.vehicles]
    offsets = report.model.offsets([one.case() for one in own])
    told = {doubt.session_id: _told(doubt) for doubt in report.doubted}
    dots: dict[str, list[pictures.Dot]] = {vehicle_id: [] for vehicle_id in report.model.vehicles}
    for one, offset in zip(own, offsets, strict=True):
        power_kw = one.fingerprint.power_kw.value * math.exp(-offset.value)
        dots[one.vehicle_id].append(pictures.Dot(one.start, power_kw, told.get(one.session_id)))
    return pictures.separation(
        [
            pictures.CarTrace(
                id_, tuple(_band(vehicle, regime) for regime in vehicle.regimes), tuple(dots[id_])
            )
            for id_, vehicle in report.model.vehicles.items()
        ]
    )


LEVEL_COLUMNS = ("car", "kW", "taken for it, kW", "at A", "labels", "spread", "nearest other car")


def level_rows(model: VehicleModel) -> list[Row]:
    """Each level of each car, with the bounds beyond which a session is not taken for it."""
    return [
        (
            vehicle_id,
            f"{band.power_kw:.2f}",
            f"{band.low_kw:.2f} to {band.high_kw:.2f}",
            ", ".join(f"{limit:g}" for limit in regime.amperage_limits) or NONE,
            str(regime.label_count),
            f"{vehicle.spread:.2%}",
            _nearest_other(model.vehicles, vehicle_id, regime),
        )
        for vehicle_id, vehicle in model.vehicles.items()
        for regime in vehicle.regimes
        for band in [_band(vehicle, regime)]
    ]


def figure_rows(report: TrainingReport) -> list[Row]:
    """The scores beside those of the model before: name, now, before."""
    now = _figures(report.scores)
    before = _figures(report.before.training.validated)
    return [(name, now[name], before[name]) for name in now]


def confusion_rows(scores: Scores) -> list[Row]:
    """Sessions by true car (down) and given car (across); the first row names the columns."""
    cars = sorted({*scores.confusion, *(car for row in scores.confusion.values() for car in row)})
    cars = [car for car in cars if car != UNKNOWN_VEHICLE] + [UNKNOWN_VEHICLE] * (UNKNOWN_VEHICLE in cars)
    rows = [
        (truth, *(str(scores.confusion[truth].get(car, 0)) for car in cars))
        for truth in cars
        if truth in scores.confusion
    ]
    return [("", *cars), *rows]


def reliability_rows(scores: Scores) -> list[Row]:
    """How sure verdicts were, how often they were right, and how many they were; in tenths of confidence."""
    return [(f"{one.confidence:.3f}", f"{one.accuracy:.3f}", str(one.count)) for one in scores.reliability]


def markdown(report: TrainingReport) -> dict[str, str]:
    """The same tables and the picture for Dagster's pages, by name."""
    parts = {
        "levels": markdown_table(LEVEL_COLUMNS, level_rows(report.model)),
        "figures": markdown_table(("", "now", "before"), figure_rows(report)),
        "class_separation": _image("class separation", separation_picture(report)),
    }
    if report.scores is not None:
        header, *rows = confusion_rows(report.scores)
        plot = _image("reliability", pictures.reliability(report.scores.reliability))
        table = markdown_table(("confidence", "right", "verdicts"), reliability_rows(report.scores))
        parts["confusion"] = markdown_table(("truth \\ given", *header[1:]), rows)
        parts["reliability"] = f"{plot}\n\n{table}"
    return parts


def _band(vehicle: KnownVehicle, regime: Regime) -> pictures.Band:
    """Within the rejection distance of the level, for a plateau that is measured exactly."""
    level = regime.level()
    reach = vehicle.rejection_distance * vehicle.deviation(level, measured=0.0)
    return pictures.Band(
        regime.power_kw, math.exp(level.log_power - reach), math.exp(level.log_power + reach)
    )


def _nearest_other(vehicles: Mapping[str, KnownVehicle], vehicle_id: str, regime: Regime) -> str:
    """The level of another car that lies nearest, in percent and in spreads of both; under a common limit if known."""
    distances = [
        (abs(math.log(other.power_kw / regime.power_kw)), other_id)
        for other_id, vehicle in vehicles.items()
        if other_id != vehicle_id
        for other in vehicle.regimes
        if _may_meet(regime, other)
    ]
    if not distances:
        return NONE
    distance, other_id = min(distances)
    spread = math.hypot(vehicles[vehicle_id].spread, vehicles[other_id].spread)
    return f"{other_id}, {distance:.1%} ({distance / spread:.1f} spreads)"


def _may_meet(one: Regime, other: Regime) -> bool:
    limits, others = set(one.amperage_limits), set(other.amperage_limits)
    return not limits or not others or bool(limits & others)


def _figures(scores: Scores | None) -> dict[str, str]:
    return {
        "sessions judged before they were learned": NONE if scores is None else str(scores.sessions),
        "given a car": _shown(scores and scores.coverage),
        "of these the right one": _shown(scores and scores.accuracy),
        "log-loss": _shown(scores and scores.log_loss),
        "Brier score": _shown(scores and scores.brier),
        "expected calibration error": _shown(scores and scores.expected_calibration_error),
    }


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else NONE


def _told(doubt: Doubt) -> str:
    verdict = doubt.verdict
    sure = f"{verdict.confidence:.0%}"
    return f"session {doubt.session_id}: labelled {doubt.label}, looks like {verdict.vehicle_id} ({sure})"


def _image(name: str, picture: str) -> str:
    return f"![{name}]({pictures.as_image(picture)})"
