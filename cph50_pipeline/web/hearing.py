"""When the chargers were last heard of, for pages that are of something else: they never wait for a database."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from cph50_pipeline.defs.page_now import live_snapshots, state_file_snapshots
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import DeviceKind
from cph50_pipeline.live.snapshot import DeviceSnapshot
from cph50_pipeline.pages.silence import Silence, silences
from cph50_pipeline.settings import Settings

FILE_SECONDS = 1.0
"""How long an answer of a file of this machine is waited for at most: it takes a millisecond."""
SERVER_SECONDS = 0.005
"""How long one of a database server; the page says what was known before."""
STANDS = timedelta(seconds=60)
"""For how long a look stands for one that takes too long: less than after which any charger is silent."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the live table.

    Attributes:
        at: When it began (UTC).
        found: The chargers, once it ended.
    """

    at: datetime
    found: Future[list[DeviceSnapshot]]


class Hearing:
    """Looks at the live table in a thread of its own, one look at a time. For several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cph50-hearing")
        self._lock = Lock()
        self._looks: list[Look] = []
        is_file = settings.live_url.startswith("sqlite")
        self._patience_seconds = FILE_SECONDS if is_file else SERVER_SECONDS

    def look(self, now: datetime) -> Look:
        """Begin to look; a look that has not ended is not begun again."""
        with self._lock:
            if not self._looks or self._looks[-1].found.done():
                begun = self._pool.submit(live_snapshots, self._settings, now, (DeviceKind.CHARGER,))
                self._looks = [*self._looks[-1:], Look(now, begun)]
            return self._looks[-1]

    def silences(self, look: Look, now: datetime) -> tuple[Silence, ...]:
        """The silent chargers by a look, or by the one before where it takes too long; none where that is too old.

        Without the table the state file tells, as on the dashboard, which also says what is wrong with the table.

        Args:
            now: UTC.
        """
        wait([look.found], self._patience_seconds)
        ended = self._ended(look, now)
        if ended is None:
            return ()
        why, found = "", list[DeviceSnapshot]()
        try:
            found = ended.found.result()
        except Cph50Error as error:
            why = error.message
        found = found or state_file_snapshots(Store.of(self._settings), self._settings, now)
        return (Silence(why=why),) if why and not found else silences(found, now, self._settings.zone)

    def close(self) -> None:
        """Begin no more looks; one that hangs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, look: Look, now: datetime) -> Look | None:
        with self._lock:
            known = [look, *(one for one in reversed(self._looks) if now - one.at < STANDS)]
        return next((one for one in known if one.found.done()), None)
