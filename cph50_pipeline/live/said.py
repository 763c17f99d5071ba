"""What is wrong, said once for as long as it lasts."""

from __future__ import annotations

import re
from collections.abc import Collection
from logging import Logger


class Said:
    """What was said to be wrong, by what it is about.

    Args:
        log: Where it is said.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._lines: dict[str, str] = {}

    def wrong(self, what: str, line: str) -> None:
        """Say what is wrong, unless the same was said last, but for numbers in it."""
        essence = re.sub(r"\d+", "0", line)
        if self._lines.get(what) != essence:
            self._log.warning(line)
        self._lines[what] = essence

    def well(self, what: str) -> None:
        """Say that all is well again, where something was wrong."""
        if self._lines.pop(what, None) is not None:
            self._log.info(f"{what}: all is well again")

    def forget_all_but(self, kept: Collection[str]) -> None:
        """Say nothing more of what is not asked any more."""
        self._lines = {what: line for what, line in self._lines.items() if what in kept}
