"""What the reports that are written as JSON have in common: how their values behave, and how they are read back."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

from cph50_pipeline.charging.fields import read_document


class Part(BaseModel):
    """A value of a report. Fields that are not declared are left out."""

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Document(Part):
    """A whole report, as one file holds it."""

    @classmethod
    def read(cls, document: object, name: str) -> Self:
        """Read what was written as JSON.

        Raises:
            BadInputError: naming the file and the field.
        """
        return read_document(cls, document, name)
