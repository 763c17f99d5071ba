"""What all routes share: one object a server process, kept by the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.month_files import CACHE, ROLLUPS, SAMPLES, SLOTS
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.web.cached import AnswerCache
from cph50_pipeline.web.hearing import Hearing
from cph50_pipeline.web.history import History
from cph50_pipeline.web.stored_files import StoredFiles

if TYPE_CHECKING:
    from cph50_pipeline.live.store import LiveStore

ASKED_AT_ONCE = 4
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
    hearing: Hearing
    clock: Callable[[], datetime]

    @classmethod
    def of(cls, settings: Settings) -> Context:
        """The household that the settings name."""
        root = DataRoot(settings.data_root)
        files = StoredFiles(root)
        history = History([files.folder(file) for file in QUERIED])
        return cls(
            settings, root, files, history, AnswerCache(), Hearing(settings), lambda: datetime.now(UTC)
        )

    @cached_property
    def live(self) -> LiveStore:
        """The live table, found once: it is asked more often than anything else.

        Raises:
            Cph50Error: the database cannot be used.
        """
        return live_store(self.settings)

    @cached_property
    def past(self) -> Store:
        """What the history page reads: it remembers the sessions of the months that were looked at.

        Sorting ten years or turning a leaf of them parses them no second time. They take 40 MB.
        """
        return Store.of(self.settings)

    @cached_property
    def asking(self) -> CapacityLimiter:
        """How many may ask sources themselves at once: those may take long, and all other routes need threads, too."""
        return CapacityLimiter(ASKED_AT_ONCE)

    @property
    def is_live_quick(self) -> bool:
        """Whether the live table answers at once, so that reading it may keep all other requests waiting."""
        try:
            return self.live.answers_at_once
        except Cph50Error:
            return False

    def close(self) -> None:
        """Let go of what is held."""
        self.answers.close()
        self.hearing.close()
        self.history.close()
        self.files.close()


async def context_of(request: Request) -> Context:
    """A route's dependency: the server's household."""
    context: Context = request.app.state.context
    return context


Household = Annotated[Context, Depends(context_of)]
