"""ChargePoint's answers about the simulated household, as JSON objects, at an instant.

Shapes only: what happens at the plug is the household's business, and how answers travel is `chargepoint`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from cph50_pipeline.civil_time import local_date, to_epoch_ms
from cph50_pipeline.simulator import identity
from cph50_pipeline.simulator.bill import PLAN_CODE, PLAN_NAME
from cph50_pipeline.simulator.household import AMPERAGE_LIMITS
from cph50_pipeline.simulator.plug_ins import LiveHousehold
from cph50_pipeline.simulator.sessions import KeptPoint, PlannedSession, start_of_id

JsonObject = dict[str, Any]

LAST_PAGE = "last_page"
LARGEST_PAGE = 100
USUAL_PAGE = 10
_VEHICLE_ID = 700123
_MILES_PER_KWH = 2.6
_LONGEST_OPEN = timedelta(days=3)  # no session looks open for longer, wrong ends included


class Answers(Protocol):
    """What a simulated ChargePoint knows about its one household."""

    def user_status(self, now: datetime) -> JsonObject:
        """The `user_status` of an instant: the running session, or empty."""

    def charging_status(self, session_id: int, now: datetime) -> JsonObject | None:
        """The `charging_status` of a session; None when there is none."""

    def activity(self, page_size: int, page_offset: int | None, now: datetime) -> JsonObject:
        """A page of `charging_activity_monthly`, newest first."""

    def charger_id(self) -> int:
        """The id of the home charger."""

    def charger_status(self, now: datetime) -> JsonObject:
        """The charger's own status."""


@dataclass(frozen=True, slots=True)
class HouseholdAnswers:
    """Answers about a simulated household."""

    household: LiveHousehold

    def user_status(self, now: datetime) -> JsonObject:
        """The `user_status` of an instant: the running session, or empty."""
        session = self._running(now, home_only=False)
        if session is None:
            return {}
        return {
            "charging": {
                "sessionId": session.session_id,
                "startTimeUTC": int(session.start.timestamp()),
                "state": "in_use",
                "stations": [_station(session)],
            }
        }

    def charging_status(self, session_id: int, now: datetime) -> JsonObject | None:
        """The `charging_status` of a session with its curve; None when there is none."""
        session = self.household.session(session_id)
        if session is None or session.start > now:
            return None
        facts = _facts(session, now)
        return {
            **facts,
            "vehicle_info": _PRIMARY_VEHICLE,
            "has_utility_info": session.is_home,
            "update_data": _update_data(session.points_by(now), facts.get("billing_time")),
        }

    def activity(self, page_size: int, page_offset: int | None, now: datetime) -> JsonObject:
        """A page of `charging_activity_monthly`, newest first.

        The offset is the last row's place in time: a session that starts while somebody turns the pages
        shifts nothing.
        """
        size = min(page_size, LARGEST_PAGE)
        rows = list(islice(self._newest_first(page_offset, now), size + 1))
        page = rows[:size]
        return {
            "home_charger_id": self.charger_id(),
            "month_info": self._by_month(page, now),
            "page_offset": str(page[-1].place) if len(rows) > size else LAST_PAGE,
        }

    def charger_id(self) -> int:
        """The id of the home charger."""
        return identity.CHARGER_ID

    def charger_status(self, now: datetime) -> JsonObject:
        """The charger's own status."""
        session = self._running(now, home_only=True)
        is_drawing = session is not None and session.power_kw_at(session.reading_at(now)) > 0
        plugged_in = "CHARGING" if is_drawing else "NOT_CHARGING"
        limit = self.household.charger_at(now).amperage_limit
        return charger_status("AVAILABLE" if session is None else plugged_in, limit)

    def _running(self, now: datetime, *, home_only: bool) -> PlannedSession | None:
        day = local_date(now, self.household.plan.zone)
        for back in range(_LONGEST_OPEN.days):
            for session in reversed(self.household.sessions_on(day - timedelta(days=back))):
                if session.is_open(now) and (session.is_home or not home_only):
                    return session
        return None

    def _newest_first(self, page_offset: int | None, now: datetime) -> Iterator[PlannedSession]:
        plan = self.household.plan
        newest = now if page_offset is None else min(now, start_of_id(page_offset))
        day = local_date(newest, plan.zone)
        while day >= plan.history_start:
            for session in reversed(self.household.sessions_on(day)):
                if session.start <= now and (page_offset is None or session.place < page_offset):
                    yield session
            day -= timedelta(days=1)

    def _by_month(self, page: list[PlannedSession], now: datetime) -> list[JsonObject]:
        months: dict[tuple[int, int], list[JsonObject]] = {}
        for session in page:
            day = local_date(session.start, session.zone)
            row = {
                **_facts(session, now),
                "session_id_string": str(session.session_id),
                "vehicle_id": _VEHICLE_ID,
                "is_mfhs_enabled": False,
            }
            months.setdefault((day.year, day.month), []).append(row)
        return [
            {"year": year, "month": month, "sessions": sessions} for (year, month), sessions in months.items()
        ]


def charger_status(charging_status: str, amperage_limit: int) -> JsonObject:
    """The home charger's status answer."""
    return {
        "brand": "CP",
        "model": "CPH50-NEMA6-50-L23",
        "macAddress": identity.MAC_ADDRESS,
        "chargingStatus": charging_status,
        "isPluggedIn": charging_status != "AVAILABLE",
        "isConnected": True,
        "isReminderEnabled": False,
        "plugInReminderTime": "0:00",
        "hasUtilityInfo": True,
        "isDuringScheduledTime": charging_status == "CHARGING",
        "chargeAmperageSettings": {
            "chargeLimit": amperage_limit,
            "inProgress": False,
            "possibleChargeLimit": list(AMPERAGE_LIMITS),
        },
    }


def technical_info(now: datetime) -> JsonObject:
    """The home charger's technical information."""
    return {
        "modelNumber": "CPH50-NEMA6-50-L23",
        "serialNumber": identity.SERIAL_NUMBER,
        "wifiMac": identity.WIFI_MAC,
        "macAddress": identity.MAC_ADDRESS,
        "softwareVersion": "1.8.2.31",
        "lastOtaUpdate": to_epoch_ms(now - timedelta(days=90)),
        "lastConnectedAt": to_epoch_ms(now),
        "deviceIp": identity.DEVICE_IP,
        "stopChargeSupported": True,
    }


def configuration() -> JsonObject:
    """The home charger's configuration."""
    return {
        "settings": {
            "serialNumber": identity.SERIAL_NUMBER,
            "macAddress": identity.MAC_ADDRESS,
            "stationNickname": identity.CHARGER_NAME,
            "streetAddress": identity.ADDRESS,
            "hasUtilityInfo": True,
            "utility": _UTILITY,
            "indicatorLightEcoMode": "ECO_MODE_OFF",
            "flashlightReset": False,
            "worksWithNest": False,
            "isPairedWithNest": False,
            "isInstalledByInstaller": True,
            "led": {
                "brightness": {
                    "level": 3,
                    "inProgress": False,
                    "supportedLevels": [0, 1, 2, 3, 4, 5],
                    "isEnabled": True,
                }
            },
        }
    }


def profile(username: str) -> JsonObject:
    """The account that is logged in."""
    return {
        "user": {
            "userId": identity.USER_ID,
            "username": username,
            "email": identity.EMAIL,
            "givenName": identity.GIVEN_NAME,
            "familyName": identity.FAMILY_NAME,
            "fullName": f"{identity.GIVEN_NAME} {identity.FAMILY_NAME}",
            "phone": identity.PHONE,
            "phoneCountryId": 1,
            "evatarUrl": "",
        },
        "accountBalance": {
            "accountNumber": identity.ACCOUNT_NUMBER,
            "accountState": "UNSET",
            "balance": {"amount": "0.0", "currency": "USD"},
        },
    }


def discovery(base_url: str) -> JsonObject:
    """The region's configuration, with every endpoint on this server."""
    paths = {
        "accounts_endpoint": "accounts/",
        "hcpo_hcm_endpoint": "hcm/",
        "internal_api_gateway_endpoint": "gateway/",
        "mapcache_endpoint": "map-prod/",
        "panda_websocket_endpoint": "panda/",
        "payment_java_endpoint": "payment-java/",
        "payment_php_endpoint": "payment-php/",
        "portal_domain_endpoint": "portal/",
        "sso_endpoint": "sso/",
        "webservices_endpoint": "webservices/",
        "websocket_endpoint": "websocket/",
    }
    country = {
        "id": 40,
        "name": "United States",
        "code": "US",
        "callingCode": 1,
        "phoneFormat": "###-###-####",
    }
    currency = {"code": "USD", "name": "US Dollar", "symbol": "$", "maxDecimalPlaces": 2}
    return {
        "region": "NA-US",
        "defaultCountry": country,
        "supportedCountries": [country],
        "currency": currency,
        "supportedCurrencies": [currency],
        "endPoints": {name: {"value": base_url + path} for name, path in paths.items()},
    }


_UTILITY: JsonObject = {
    "id": 42,
    "name": "Sample Power & Light",
    "plans": [{"code": PLAN_CODE, "id": 7, "is_ev_plan": True, "name": PLAN_NAME}],
}
_PRIMARY_VEHICLE: JsonObject = {  # the account's primary car, whichever car charges
    "vehicle_id": _VEHICLE_ID,
    "make": "Ember Motors",
    "model": "Hatch",
    "year": 2023,
    "battery_capacity": 70.0,
    "ev_range": 230,
    "is_primary_vehicle": True,
    "vin": identity.VIN,
}


def _station(session: PlannedSession) -> JsonObject:
    if session.is_home:
        place = (identity.CHARGER_ID, identity.CHARGER_NAME, identity.LATITUDE, identity.LONGITUDE)
    else:
        place = (identity.PUBLIC_DEVICE_ID, "MALL / A1", identity.PUBLIC_LATITUDE, identity.PUBLIC_LONGITUDE)
    return dict(zip(("deviceId", "name", "lat", "lon"), place, strict=True))


def _facts(session: PlannedSession, now: datetime) -> JsonObject:
    """What a row of the activity and a session's status have in common."""
    reading = session.reading_at(now)
    energy_kwh = session.energy_kwh_by(reading)
    power_kw = session.power_kw_at(reading)
    offset = session.start.astimezone(session.zone).utcoffset()
    assert offset is not None  # the zone is never naive
    return {
        "session_id": session.session_id,
        "start_time": to_epoch_ms(session.start),
        "start_offset": int(offset.total_seconds()),
        "session_time": (session.duration_seconds if now >= session.end else _seconds(session, reading))
        * 1000,
        "charging_time": session.drawing_seconds_by(reading) * 1000,
        "energy_kwh": energy_kwh,
        "energy_kwh_display": f"{energy_kwh:.4f}",
        "power_kw": power_kw,
        "power_kw_display": f"{power_kw:.2f}",
        "miles_added": energy_kwh * _MILES_PER_KWH,
        "total_amount": session.cost_by(reading),
        "total_amount_to_user": 0.0,
        "last_update_data_timestamp": to_epoch_ms(reading),
        "update_period": session.update_period_ms,
        **_state(session, now),
        **_place(session),
        "purpose": "PERSONAL",
        "is_purpose_finalized": True,
        "port_level": 2,
        "outlet_number": 1,
        "organization_currency": "USD",
        "currency_iso_code": "USD",
        "pricing_spec_id": 0,
        "payment_type": "none" if session.is_home else "paid",
        "payment_completed": True,
        "has_charging_receipt": not session.is_home,
        "api_flag": False,
        "stop_charge_supported": True,
    }


def _state(session: PlannedSession, now: datetime) -> JsonObject:
    if session.is_open(now):
        return {"current_charging": "in_use"}
    bill = session.reported_end + timedelta(seconds=session.billing_delay_seconds)
    return {
        "current_charging": "done",
        "end_time": to_epoch_ms(session.reported_end),
        "last_update_data_timestamp": to_epoch_ms(session.reported_end),
        "billing_time": to_epoch_ms(bill),
    }


def _place(session: PlannedSession) -> JsonObject:
    station = _station(session)
    place: JsonObject = {
        "is_home_charger": session.is_home,
        "device_id": station["deviceId"],
        "device_name": station["name"],
        "lat": station["lat"],
        "lon": station["lon"],
        "address1": identity.ADDRESS if session.is_home else identity.PUBLIC_ADDRESS,
        "city": identity.CITY,
        "state_name": "California",
        "zipcode": identity.ZIPCODE,
        "country": "United States",
        "company_id": 1 if session.is_home else 2,
        "company_name": "CP Home" if session.is_home else "Sample Mall",
    }
    return {**place, "utility": _UTILITY} if session.is_home else place


def _update_data(points: list[KeptPoint], billing_time: int | None) -> list[JsonObject]:
    rows: list[JsonObject] = []
    for number, point in enumerate(points):
        row: JsonObject = {"energy_kwh": point.energy_kwh, "timestamp": to_epoch_ms(point.at)}
        if point.power_kw is not None:
            row["power_kw"] = point.power_kw
        if billing_time is not None and number == len(points) - 2:
            row["update_date"] = billing_time + 173  # the last but one is the end, sent again with the bill
        rows.append(row)
    return rows


def _seconds(session: PlannedSession, reading: datetime) -> int:
    return int((reading - session.start).total_seconds())
