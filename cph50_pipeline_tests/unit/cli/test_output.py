"""What commands print for people: what waits is named, and a long list ends in a count."""

from __future__ import annotations

import pytest

from cph50_pipeline.cli.output import show_import, show_training
from cph50_pipeline.defs.labelling import Import
from cph50_pipeline.defs.launch import Outcome
from cph50_pipeline.defs.training_record import Noted
from cph50_pipeline.vehicles.label_import import ImportedLabels

DONE = Outcome("4f1c2a9e", True, ())
SEVEN = tuple("1234567")


def test_labels_that_a_training_waits_for_are_named_by_session(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(Noted("released", "It was released.", waiting=("4751613101",)), DONE, as_json=False)
    said = capsys.readouterr().out
    assert "1 label(s) wait for their session to be stored or to end: 4751613101\n" in said


def test_of_many_labels_that_a_training_waits_for_five_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(Noted("released", "It was released.", waiting=SEVEN), DONE, as_json=False)
    said = capsys.readouterr().out
    assert "7 label(s) wait for their session to be stored or to end: 1, 2, 3, 4, 5 and 2 more\n" in said


def test_a_training_that_waits_for_nothing_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(Noted("released", "It was released."), DONE, as_json=False)
    assert "wait" not in capsys.readouterr().out


def test_of_many_imported_labels_that_wait_five_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    show_import(Import(added=SEVEN, waiting=SEVEN), ImportedLabels(), as_json=False)
    assert "7 wait for their month to be stored: 1, 2, 3, 4, 5 and 2 more\n" in capsys.readouterr().out
