"""The sensor that polls the house's meters and a fleet's telemetry, and says which devices have fallen silent.

It is the collector of both, unless another process is (`cph50 serve --poll`). The charger is looked at by
`charger_sensor`; whether it is heard is judged here, so that a sensor that has died shows, too.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from cph50_pipeline.defs.assets.external import LATEST_VALUES
from cph50_pipeline.defs.live import device_snapshots, live_store
from cph50_pipeline.defs.live_feeds import build_feeds, forget_other_feeds
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.resources import HomeAssistant
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.tick_log import TickLog
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import Freshness
from cph50_pipeline.live.snapshot import DeviceSnapshot
from cph50_pipeline.settings import Settings

if TYPE_CHECKING:
    from cph50_pipeline.live.poller import Poller

CHECK = "devices_are_heard"
SHORTEST_TICK_SECONDS = 30
LONGEST_LIST = 20


def build_live_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor, running by default."""
    store = Store.of(settings)
    log = TickLog()
    pollers: list[Poller] = []  # made by the first tick, for all: it remembers who failed and what was said

    def poller(home_assistant: HomeAssistant) -> "Poller":
        if not pollers:
            from cph50_pipeline.live.poller import Poller

            feeds = build_feeds(settings, store, home_assistant.client)
            forget_other_feeds(settings, feeds, _now(), log)
            pollers.append(Poller(feeds, live_store(settings), store.locks, _now, log))
        return pollers[0]

    @dg.sensor(
        name="live_sensor",
        minimum_interval_seconds=max(SHORTEST_TICK_SECONDS, settings.live_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks every device what it says, for the latest values; says which ones have fallen silent.",
    )
    @pauses(settings)
    def live_sensor(
        context: dg.SensorEvaluationContext, home_assistant: HomeAssistant
    ) -> dg.SensorResult | dg.SkipReason:
        log.tick = context.log
        try:
            poller(home_assistant).one_round(_now(), settings.live_seconds)
            heard = judge(settings)
        except Cph50Error as error:
            return dg.SkipReason(f"{error} The next tick tries again.")
        seen = json.dumps(heard.metadata["silent"].value, sort_keys=True)
        return dg.SensorResult(
            skip_reason=dg.SkipReason(heard.description),
            cursor=seen,
            asset_events=[heard] if seen != context.cursor else [],
        )

    return live_sensor


def build_live_check(settings: Settings) -> dg.AssetChecksDefinition:
    """The check by which a person sees that a device has fallen silent."""

    @dg.asset_check(
        asset=LATEST_VALUES,
        name=CHECK,
        description="Every device was heard of in the last five minutes, or ten times as long as it is asked.",
    )
    def devices_are_heard() -> dg.AssetCheckResult:
        heard = judge(settings)
        return dg.AssetCheckResult(
            passed=heard.passed, description=heard.description, metadata=heard.metadata
        )

    return devices_are_heard


def judge(settings: Settings) -> dg.AssetCheckEvaluation:
    """Whether every device is heard of.

    Raises:
        Cph50Error: the live table cannot be read.
    """
    devices = device_snapshots(settings, _now())
    silent = [one for one in devices if one.freshness in (Freshness.SILENT, Freshness.NEVER)]
    return dg.AssetCheckEvaluation(
        asset_key=LATEST_VALUES,
        check_name=CHECK,
        passed=not silent,
        description=_sentence(devices, silent),
        metadata={
            "devices": len(devices),
            "silent": dg.MetadataValue.json([one.device.device_id for one in silent]),
        },
    )


def _sentence(devices: Sequence[DeviceSnapshot], silent: Sequence[DeviceSnapshot]) -> str:
    if not silent:
        return f"All {len(devices)} devices are heard of" if devices else "There is no device yet"
    told = [one.device.device_id + _since(one) for one in silent[:LONGEST_LIST]]
    more = f" and {len(silent) - LONGEST_LIST} more" if len(silent) > LONGEST_LIST else ""
    return f"Nothing is heard of {', '.join(told)}{more}"


def _since(one: DeviceSnapshot) -> str:
    return "" if one.age_seconds is None else f" for {one.age_seconds / 60:.0f} minutes"


def _now() -> datetime:
    return datetime.now(UTC)
