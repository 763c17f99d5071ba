"""The report of a training: what it says, that it needs nothing else, and that nothing in it can act."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.reports import pictures
from cph50_pipeline.reports.classifier import (
    TrainingReport,
    confusion_rows,
    figure_rows,
    level_rows,
    markdown,
    page,
    separation_picture,
)
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.release import decide
from cph50_pipeline.vehicles.scores import ReliabilityBin
from cph50_pipeline.vehicles.training import LabelledSession, Trained, train
from cph50_pipeline_tests.unit.vehicles.labelled import EMBER, TIDE, household, labelled

NO_CAR = VehicleModel()


@cache
def trained_on(label_count: int) -> Trained:
    return train(household(label_count))


def report(
    sessions: list[LabelledSession],
    trained: Trained | None = None,
    before: VehicleModel = NO_CAR,
    *,
    by_hand: bool = False,
) -> TrainingReport:
    found = trained or train(sessions)
    return TrainingReport(
        found.model, before, decide(found, before, by_hand=by_hand), sessions, found.doubted
    )


def good(label_count: int = 12, before: VehicleModel = NO_CAR) -> TrainingReport:
    return report(household(label_count), trained_on(label_count), before)


def with_a_wrong_label() -> TrainingReport:
    sessions = household(12)
    return report([replace(sessions[7], vehicle_id=EMBER), *sessions[:7], *sessions[8:]])


class Text(HTMLParser):
    """What a reader of a page sees, and which tags it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._is_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def svg(text: str) -> ET.Element:
    return ET.fromstring(text)


def of_class(picture: ET.Element, tag: str, kind: str) -> list[ET.Element]:
    return [element for element in picture.iter(tag) if kind in element.get("class", "").split()]


def test_the_page_says_which_model_is_in_force_and_what_it_was_learned_from() -> None:
    told = Text(page(good())).text
    assert f"{trained_on(12).model.version} is in force." in told
    assert "Learned from ember (12 labels), tide (12 labels)" in told


def test_the_page_of_a_refused_candidate_says_why_and_what_stays_in_force() -> None:
    before = trained_on(10).model
    made = replace(with_a_wrong_label(), before=before)
    refused = replace(made, decision=decide(trained_on(5), before, by_hand=False))
    told = Text(page(refused)).text
    assert f"was refused, and {before.version} stays in force, because:" in told
    assert "ember has 5 labelled session(s)" in told


def test_a_release_by_hand_tells_what_spoke_against_it() -> None:
    made = report(household(5), trained_on(5), by_hand=True)
    assert made.headline.endswith("was released, by hand, although:")
    assert any("tide has 5 labelled session(s)" in reason for reason in made.reasons)


def test_learning_the_same_again_makes_the_same_page() -> None:
    made, before = good(12), trained_on(10).model
    again = replace(made, before=before, decision=decide(trained_on(12), made.model, by_hand=False))
    assert page(again) == page(replace(made, before=before))


def test_a_rollback_names_both_versions() -> None:
    taken_back, model = trained_on(12).model, trained_on(10).model
    told = Text(page(TrainingReport(model, taken_back, None))).text
    assert f"{taken_back.version} was taken back; {model.version} is in force again." in told


def test_without_labels_the_page_says_so_and_has_no_tables() -> None:
    found = Text(page(report([])))
    assert "No car is known yet" in found.text
    assert "table" not in {tag for tag, _ in found.tags}


def test_the_page_needs_nothing_else_and_does_nothing() -> None:
    found = Text(page(with_a_wrong_label()))
    names = {tag for tag, _ in found.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "base", "form"}
    for _, attributes in found.tags:
        assert not {"src", "href", "srcset", "style"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in page(with_a_wrong_label())
    assert "prefers-color-scheme: dark" in page(good())


def test_what_people_named_is_inert() -> None:
    evil = '<script>alert("1")</script>'
    sessions = [
        replace(
            one, session_id=f"{evil}{one.session_id}", vehicle_id=evil if one.vehicle_id == TIDE else EMBER
        )
        for one in household(12)
    ]
    made = report([replace(sessions[7], vehicle_id=EMBER), *sessions[:7], *sessions[8:]])
    assert made.doubted
    html = page(made)
    assert "<script" not in html
    assert evil in Text(html).text
    for part in markdown(made).values():
        assert "<script" not in part


def test_the_same_data_give_the_same_bytes_whatever_the_order_of_the_sessions() -> None:
    sessions = household(12)
    assert page(report(sessions[::-1])) == page(report(sessions)) == page(report(sessions))
    assert page(report(sessions)).endswith("</html>\n")


def test_the_page_of_a_thousand_labels_is_small() -> None:
    many = [
        labelled((EMBER, TIDE)[n % 2], (8.55, 9.05)[n % 2] * (1 + 0.004 * math.sin(n)), day=n)
        for n in range(1000)
    ]
    assert len(page(report(many, trained_on(12))).encode()) < 60_000


def test_a_doubted_label_is_listed_with_the_command_that_mends_it() -> None:
    made = with_a_wrong_label()
    [doubt] = made.doubted
    assert f"cph50 label {doubt.session_id} tide" in Text(page(made)).text
    [ring] = of_class(svg(separation_picture(made)), "circle", "doubted")
    assert ring.findtext("title", "").startswith(
        f"session {doubt.session_id}: labelled ember, looks like tide"
    )


def test_every_labelled_session_is_a_dot_in_the_picture() -> None:
    picture = svg(separation_picture(good(20)))
    dots = [
        dot
        for path in of_class(picture, "path", "dots")
        for dot in re.findall(r"M(\S+) (\S+)h0", path.get("d", ""))
    ]
    assert len(dots) == 40
    assert all(0 < float(x) < pictures.WIDTH and 0 < float(y) < pictures.HEIGHT for x, y in dots)


def test_sessions_of_none_of_the_cars_are_left_out_of_the_picture() -> None:
    sessions = [*household(12), labelled("unknown", 6.06, day=40)]
    picture = svg(separation_picture(report(sessions)))
    assert sum(path.get("d", "").count("h0") for path in of_class(picture, "path", "dots")) == 24


def test_a_level_lies_within_its_bounds_and_most_of_its_own_sessions_too() -> None:
    model = trained_on(20).model
    for row, vehicle in zip(level_rows(model), model.vehicles.values(), strict=True):
        low, high = map(float, row[2].split(" to "))
        assert low < float(row[1]) < high
        assert row[4] == str(vehicle.label_count)


def test_the_nearest_other_car_is_named_with_its_distance() -> None:
    [ember, tide] = level_rows(trained_on(20).model)
    assert re.fullmatch(r"tide, 5\.\d% \(\d\.\d spreads\)", ember[-1])
    assert ember[-1].removeprefix("tide") == tide[-1].removeprefix("ember")


def test_a_car_alone_has_no_neighbour() -> None:
    alone = train([one for one in household(12) if one.vehicle_id == EMBER])
    assert level_rows(alone.model)[0][-1] == "-"


def test_the_confusion_adds_up_to_all_judged_sessions() -> None:
    made = with_a_wrong_label()
    assert made.scores is not None
    header, *rows = confusion_rows(made.scores)
    assert sum(int(cell) for row in rows for cell in row[1:]) == made.scores.sessions
    assert {len(row) for row in rows} == {len(header)}


def test_the_figures_stand_beside_those_of_the_model_before() -> None:
    before = trained_on(10).model
    rows = {name: (now, then) for name, now, then in figure_rows(good(20, before))}
    assert before.training.validated is not None
    assert rows["log-loss"][1] == f"{before.training.validated.log_loss:.3f}"
    assert rows["of these the right one"][0] == "1.000"
    assert {then for _, _, then in figure_rows(good(20))} == {"-"}


@given(
    st.lists(
        st.builds(
            ReliabilityBin,
            confidence=st.floats(0, 1),
            accuracy=st.floats(0, 1),
            count=st.integers(1, 10_000),
        ),
        max_size=10,
    )
)
def test_every_bin_of_confidence_is_a_dot_inside_the_square(bins: list[ReliabilityBin]) -> None:
    dots = of_class(svg(pictures.reliability(bins)), "circle", "c0")
    assert len(dots) == len(bins)
    for dot in dots:
        assert 0 <= float(dot.get("cx", "")) <= pictures.SQUARE
        assert 0 <= float(dot.get("cy", "")) <= pictures.SQUARE


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(1.5, 12), st.floats(0, 4000)), max_size=30))
def test_any_plateaus_can_be_drawn(plateaus: list[tuple[float, float]]) -> None:
    sessions = [labelled(EMBER, power_kw, day=day) for power_kw, day in plateaus]
    dots = tuple(pictures.Dot(one.start, one.fingerprint.power_kw.value) for one in sessions)
    drawn = svg(pictures.separation([pictures.CarTrace(EMBER, (), dots)]))
    places = re.findall(r"M(\S+) (\S+)h0", "".join(path.get("d", "") for path in drawn.iter("path")))
    assert len(places) == len(plateaus)
    assert "nan" not in ET.tostring(drawn, encoding="unicode")


@pytest.mark.parametrize("name", ["class_separation", "reliability"])
def test_dagster_gets_each_picture_as_an_image_that_stands_alone(name: str) -> None:
    data = re.search(r"\(data:image/svg\+xml;base64,([^)]+)\)", markdown(with_a_wrong_label())[name])
    assert data is not None
    image = svg(base64.b64decode(data[1]).decode())
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    assert "--ink:" in image.findtext("{http://www.w3.org/2000/svg}style", "")


def test_dagster_gets_the_tables_too() -> None:
    parts = markdown(good())
    assert "| ember |" in parts["levels"]
    assert "| log-loss |" in parts["figures"]
    assert parts["confusion"].count("\n") == 3
