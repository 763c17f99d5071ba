"""A household behind `cph50 serve`, as a process: asked over HTTP as a browser or script would."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError


@dataclass
class Served:
    """A running `cph50 serve`.

    Attributes:
        url: Ends in "/".
    """

    process: subprocess.Popen[str]
    url: str = field(init=False)

    def __post_init__(self) -> None:
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        assert "read API: " in said, said + (self.process.communicate()[1] or "")
        self.url = said.split("read API: ")[1].split()[0]

    def ask(
        self, route: str, body: Mapping[str, object] | None = None, token: str | None = None
    ) -> tuple[int, Any]:
        """The status and the document of an answer."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{route}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            return refused.code, json.load(refused)

    def read(self, route: str) -> Any:
        """The document of an answer, whatever its status."""
        return self.ask(route)[1]
