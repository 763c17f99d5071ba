"""Sensors and schedules that do nothing while the household is in maintenance, and say so."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import dagster as dg

from cph50_pipeline.defs.maintenance.state import paused
from cph50_pipeline.settings import Settings

Given = ParamSpec("Given")
Result = TypeVar("Result")


def pauses(
    settings: Settings,
) -> Callable[[Callable[Given, Result]], Callable[Given, Result | dg.SkipReason]]:
    """Decorates what a sensor or schedule evaluates: in maintenance its tick is skipped with one line.

    It stands between `@dg.sensor(…)` or `@dg.schedule(…)` and the function.
    """

    def decorate(evaluate: Callable[Given, Result]) -> Callable[Given, Result | dg.SkipReason]:
        @functools.wraps(evaluate)
        def unless_in_maintenance(*given: Given.args, **named: Given.kwargs) -> Result | dg.SkipReason:
            said = paused(settings)
            return evaluate(*given, **named) if said is None else dg.SkipReason(said)

        return unless_in_maintenance

    return decorate
