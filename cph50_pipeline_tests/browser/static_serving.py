"""Files served as GitHub Pages does: from a subpath, with nothing behind them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SUBPATH = "someone/charging-data"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked is seen in the browser."""


@contextmanager
def served_from_a_subpath(site: Path, web_root: Path) -> Iterator[str]:
    """The address of a folder's files, without a slash at the end."""
    place = web_root / SUBPATH
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(site, target_is_directory=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(web_root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{SUBPATH}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
