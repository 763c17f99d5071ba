"""What all routes share: one object a server process, kept by the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from cph50_pipeline.defs.month_files import CACHE, ROLLUPS, SAMPLES, SLOTS
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.web.cached import AnswerCache
from cph50_pipeline.web.history import History
from cph50_pipeline.web.stored_files import StoredFiles

QUERIED = (CACHE, SLOTS, SAMPLES, ROLLUPS)
"""The month files that are asked by SQL."""


@dataclass(frozen=True)
class Context:
    """One server's household.

    Attributes:
        clock: The time (UTC).
    """

    settings: Settings
    root: DataRoot
    files: StoredFiles
    history: History
    answers: AnswerCache
    clock: Callable[[], datetime]

    @classmethod
    def of(cls, settings: Settings) -> Context:
        """The household that the settings name."""
        root = DataRoot(settings.data_root)
        files = StoredFiles(root)
        history = History([files.folder(file) for file in QUERIED])
        return cls(settings, root, files, history, AnswerCache(), lambda: datetime.now(UTC))

    def close(self) -> None:
        """Let go of what is held."""
        self.answers.close()
        self.history.close()
        self.files.close()


async def context_of(request: Request) -> Context:
    """A route's dependency: the server's household."""
    context: Context = request.app.state.context
    return context


Household = Annotated[Context, Depends(context_of)]
