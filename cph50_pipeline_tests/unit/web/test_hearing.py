"""What pages are told of silent chargers while the live table's server is slow."""

from __future__ import annotations

import socket
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.model import Device, DeviceKind, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.web.hearing import STANDS, Hearing, Look
from cph50_pipeline_tests.unit.web.household import settings_in

NOW = datetime(2026, 3, 20, 18, tzinfo=UTC)


def test_a_file_answers_at_its_first_look(settings: Settings) -> None:
    at_home = Device("charger", DeviceKind.CHARGER, "CPH50", "charger")
    live_store(settings).write(
        [at_home], [Reading("charger", "power_kw", 1.0, "kW", NOW)], "charger", NOW + timedelta(days=3)
    )
    hearing = Hearing(settings)
    told = [hearing.silences(hearing.look(at), at) for at in (NOW, NOW + timedelta(days=3))]
    hearing.close()
    assert told[0] == ()
    assert [one.heard_at for one in told[1]] == [NOW]


def test_while_a_server_hangs_nothing_is_said_that_is_not_known_and_then_what_went_wrong(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"postgresql://someone@127.0.0.1:{deaf.getsockname()[1]}/live"
        hearing = Hearing(settings_in(tmp_path, live_database_url=address))
        first = hearing.look(NOW)
        assert hearing.silences(first, NOW) == ()
        assert hearing.look(NOW) is first
        wait([first.found], 30)
        second: Look = hearing.look(NOW + STANDS / 2)
        assert second is not first
        assert [bool(one.why) for one in hearing.silences(second, NOW + STANDS / 2)] == [True]
        assert hearing.silences(second, NOW + STANDS) == ()
        hearing.close()
