"""What of an answer may be stored: the one place where answers are scrubbed.

Public answers lose whatever names a place, a device, a vehicle's number or an account; the keys stay, null.
What is kept are energies, times, powers, costs, the utility and its plan, the car's make, model and year, and
session ids. Answers come and go as plain mappings; where they are read and stored is not known here.

A field is judged by the words of its name (`deviceId` and `device_id` are one name), so that a field that
ChargePoint adds tomorrow is judged as well; then by the shape of its value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

PUBLIC = "public"
CHARGER_LABEL = "charger_label"

_PLACE_WORDS = (
    "address addr bounds city coordinate coordinates country county geo geohash geometry gps home lat"
    " latitude lng locality location lon long longitude neighborhood place position postal postcode premise"
    " site street town zip zipcode"
)
_DEVICE_WORDS = (
    "bssid chargerid device evse guid host hostname iccid imei imsi ip ipv mac pin qr serial ssid station"
    " uuid wifi"
)
_ACCOUNT_WORDS = (
    "account avatar card company contact contract cookie credential customer driver email evatar mail member"
    " mobile nickname organization owner password phone rfid secret subscriber token url user userid username"
)
_VEHICLE_WORDS = "license plate vehicleid vin"

IDENTIFYING_WORDS: Mapping[str, str] = {
    word: reason
    for words, reason in (
        (_PLACE_WORDS, "tells where the household lives or parks"),
        (_DEVICE_WORDS, "tells one device from all others, or how to reach it"),
        (_ACCOUNT_WORDS, "tells who the account, the card or the contract belongs to"),
        (_VEHICLE_WORDS, "tells one vehicle from all others"),
    )
    for word in words.split()
}
"""Words of a field's name that make its value identifying, each with the reason."""

IDENTIFYING_ENDINGS: Mapping[str, str] = {
    "id": "a key into ChargePoint's tables of places, devices and accounts",
    "ids": "keys into ChargePoint's tables of places, devices and accounts",
    "name": "names a place, a device or a person",
    "names": "names places, devices or persons",
    "number": "a serial, telephone, card or contract number",
}
"""Last words of a field's name that make its value identifying, each with the reason."""

KEPT_FIELDS: Mapping[str, str] = {
    "session_id": "the key of everything stored; says nothing without the account",
    "total_amount_to_user": "a cost",
    "organization_currency": "a currency",
    "outlet_number": "counts the outlets of one station",
    "port_number": "counts the outlets of one station",
    "model_number": "a product, not a unit",
    "user_status": "wraps the state of charging",
    "stations": "wraps the chargers of a session, judged one by one",
    "device_software_version": "a release that many devices share",
}
"""Fields that are kept although their name holds an identifying word, each with the reason."""

_KEPT_INSIDE_UTILITY = frozenset({"id", "name", "code", "plans"})  # millions share a utility and its plan
_DEVICE_FIELDS = ("device_id", "charger_id", "home_charger_id")
_NAMES_REMEMBERED = 4096  # answers repeat a hundred names thousands of times
_LABEL = re.compile(r"charger-[0-9a-f]{4}")
_IDENTIFYING_VALUES = (
    re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+"),  # an e-mail address
    re.compile(r"\b[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}\b"),  # a MAC address
    re.compile(r"\b(?=\d*[a-z])(?=[a-z]*\d)[a-hj-npr-z\d]{17}\b", re.IGNORECASE),  # a VIN
)
_RUN_TOGETHER = (*(word for word in IDENTIFYING_WORDS if len(word) >= 6), "name", "number")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def scrub(answer: Mapping[str, Any], privacy: str) -> dict[str, Any]:
    """A copy of an answer that may be stored, with the label of its charger.

    Args:
        answer: An answer or a part of one, as JSON gives it; it is not changed.
        privacy: "public" nulls what identifies, at any depth; with "private" nothing is nulled.

    Returns:
        The copy. `charger_label` is added to it, null when it names no device, and to each part of it that
        names a device.
    """
    scrubbed = _scrub_mapping(answer, public=privacy == PUBLIC, inside_utility=False)
    scrubbed.setdefault(CHARGER_LABEL, None)
    return scrubbed


def charger_label(device_id: object) -> str | None:
    """A name that one device in 65,536 bears: it tells a household's chargers apart and identifies none.

    None without a device.
    """
    if device_id is None or isinstance(device_id, (bool, Mapping, list)) or device_id == "":
        return None
    return "charger-" + hashlib.sha256(str(device_id).encode()).hexdigest()[:4]


def is_identifying(field: str, *, inside_utility: bool = False) -> bool:
    """Whether a field's name alone says that its value identifies a place, device, vehicle or account."""
    words = _words(field)
    name = "_".join(words)
    if name in KEPT_FIELDS or (inside_utility and name in _KEPT_INSIDE_UTILITY):
        return False
    return name.split("_")[-1] in IDENTIFYING_ENDINGS or any(_is_identifying_word(word) for word in words)


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _is_identifying_word(word: str) -> bool:
    # Long words also count inside others, for names written without a break: "macaddress", "serialnumber".
    return word in IDENTIFYING_WORDS or any(part in word for part in _RUN_TOGETHER)


def _scrub_mapping(part: Mapping[str, Any], *, public: bool, inside_utility: bool) -> dict[str, Any]:
    scrubbed = {
        key: _scrub_field(key, value, inside_utility=inside_utility) if public else _label_parts(value)
        for key, value in part.items()
    }
    if CHARGER_LABEL in part or any("_".join(_words(key)) in _DEVICE_FIELDS for key in part):
        scrubbed[CHARGER_LABEL] = _label_of(part)
    return scrubbed


def _scrub_field(key: str, value: Any, *, inside_utility: bool) -> Any:
    if is_identifying(key, inside_utility=inside_utility):
        return _blank(value)
    return _scrub_value(value, inside_utility=inside_utility or _words(key) == ("utility",))


def _scrub_value(value: Any, *, inside_utility: bool) -> Any:
    if isinstance(value, Mapping):
        return _scrub_mapping(value, public=True, inside_utility=inside_utility)
    if isinstance(value, list):
        return [_scrub_value(item, inside_utility=inside_utility) for item in value]
    if isinstance(value, str) and any(shape.search(value) for shape in _IDENTIFYING_VALUES):
        return None
    return value


def _blank(value: Any) -> Any:
    """The same structure with every value null. Yes and no stay: they identify nobody."""
    if isinstance(value, Mapping):
        return {key: _blank(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blank(item) for item in value]
    return value if isinstance(value, bool) else None


def _label_parts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _scrub_mapping(value, public=False, inside_utility=False)
    if isinstance(value, list):
        return [_label_parts(item) for item in value]
    return value


def _label_of(part: Mapping[str, Any]) -> str | None:
    by_name = {"_".join(_words(key)): value for key, value in part.items()}
    for field in _DEVICE_FIELDS:
        label = charger_label(by_name.get(field))
        if label is not None:
            return label
    known = part.get(CHARGER_LABEL)  # the device was scrubbed before
    return known if isinstance(known, str) and _LABEL.fullmatch(known) else None


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _words(field: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(field) if not word.isdigit())
