"""The log of the tick at work, for what outlives a tick: collectors and pollers, which remember what was said."""

from logging import Logger, LogRecord, getLogger


class TickLog(Logger):
    """Passes on what is said to the log of the tick at work; Dagster has closed that of a tick that is over.

    Attributes:
        tick: The log of the tick at work.
    """

    def __init__(self) -> None:
        super().__init__(__name__)
        self.tick: Logger = getLogger(__name__)

    def handle(self, record: LogRecord) -> None:
        """Pass on one record."""
        self.tick.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
