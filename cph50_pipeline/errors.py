"""The errors a person or a retry policy can act on.

Every error says what happened, what was kept and what to do. Only three kinds exist, because only three
reactions exist: try again later (`TransientError`), change something first (`PermanentError`), or correct what
was given (`BadInputError`).
"""

from __future__ import annotations


class Cph50Error(Exception):
    """What happened, with what was kept and what to do about it.

    Args:
        message: What happened, naming the month, session, file or setting.
        kept: What is still good, for example "the last good file is unchanged".
        remedy: What a person can do, for example a command.
    """

    def __init__(self, message: str, *, kept: str = "", remedy: str = "") -> None:
        self.message = message
        self.kept = kept
        self.remedy = remedy
        super().__init__(". ".join(part.rstrip(".") for part in (message, kept, remedy) if part) + ".")


class TransientError(Cph50Error):
    """A failure that may pass by itself: a timeout, a limit, a broken answer.

    Args:
        retry_after_seconds: How long the other side asked us to wait, when it said so.
    """

    def __init__(
        self, message: str, *, kept: str = "", remedy: str = "", retry_after_seconds: float | None = None
    ) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message, kept=kept, remedy=remedy)


class PermanentError(Cph50Error):
    """A failure that repeats until somebody changes something."""


class BadInputError(Cph50Error):
    """A setting, argument, file or answer that cannot be used as it is."""


class NotFoundError(PermanentError):
    """What was asked for does not exist at the source."""


class LockedError(TransientError):
    """Another process is at work on the same thing."""
