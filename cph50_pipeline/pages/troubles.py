"""What a page could not be made of: told in its place, while the rest of the page stands."""

from __future__ import annotations

from dataclasses import dataclass

from cph50_pipeline.errors import Cph50Error


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that could not be read.

    Attributes:
        said: What happened.
        kept: What is still good; empty where nothing is to be said.
        remedy: What to do.
    """

    said: str
    kept: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, error: Cph50Error) -> Trouble:
        """An error of ours as a page tells it."""
        return cls(error.message, error.kept, error.remedy)
