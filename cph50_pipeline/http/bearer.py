"""Tokens that travel in an Authorization header."""

from __future__ import annotations

from cph50_pipeline.errors import BadInputError


def clean_token(token: str, *, setting: str, remedy: str) -> str:
    """A token without the white space that pasting brings.

    Args:
        setting: Where it comes from, for the error.
        remedy: How to get a good one.

    Raises:
        BadInputError: it could break out of a header.
    """
    cleaned = token.strip()
    if cleaned and cleaned.isascii() and cleaned.isprintable() and " " not in cleaned:
        return cleaned
    raise BadInputError(
        f"{setting} is no token: it is empty, or has spaces or odd characters in it", remedy=remedy
    )
