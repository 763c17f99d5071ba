"""Typed errors as Dagster failures: what may pass is retried by the job's policy, all else fails at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from cph50_pipeline.errors import Cph50Error, TransientError


@contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Turn our errors into a `Failure` whose text is the error's own line."""
    try:
        yield
    except Cph50Error as error:
        raise dg.Failure(
            description=str(error),
            metadata={"kind": type(error).__name__, "kept": error.kept, "what_to_do": error.remedy},
            allow_retries=isinstance(error, TransientError),
        ) from error


def failure_text(event: dg.DagsterEvent) -> str:
    """What a failed step or run said, without its trace."""
    data = event.step_failure_data if event.is_step_failure else None
    if data is None:
        return event.message or "failed"
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if data.error is None:
        return event.message or "failed"
    return (data.error.cause or data.error).message.strip()
