"""Invented people, places and devices, put where ChargePoint's answers identify a household.

Every value is a canary: it stands nowhere else, so that finding one in a published file, a log or an error
proves a leak.
"""

from __future__ import annotations

ADDRESS = "4711 Canary Hollow Lane"
CITY = "Canaryfield"
ZIPCODE = "90417-5533"
LATITUDE = 36.998877
LONGITUDE = -109.045223
PUBLIC_ADDRESS = "88 Goldfinch Parkade"
PUBLIC_LATITUDE = 36.887766
PUBLIC_LONGITUDE = -109.156334

CHARGER_ID = 918273640
CHARGER_NAME = "CP HOME / CANARY-HOOK-77"
PUBLIC_DEVICE_ID = 927364550
SERIAL_NUMBER = "SN-CNRY-2233445566"
MAC_ADDRESS = "02:C0:FF:EE:CA:9A"
WIFI_MAC = "02:C0:FF:EE:CA:9B"
DEVICE_IP = "192.0.2.217"
VIN = "1CNRY0EM8ER5550042"

USER_ID = 990033557
ACCOUNT_NUMBER = "ACCT-CANARY-6600119"
EMAIL = "wren.canary@household.example"
GIVEN_NAME = "Wrenna"
FAMILY_NAME = "Canarysson"
PHONE = "+1-555-0142-777"

IDENTIFYING_VALUES: tuple[str, ...] = (
    ADDRESS,
    CITY,
    ZIPCODE,
    str(LATITUDE),
    str(LONGITUDE),
    PUBLIC_ADDRESS,
    str(PUBLIC_LATITUDE),
    str(PUBLIC_LONGITUDE),
    str(CHARGER_ID),
    CHARGER_NAME,
    str(PUBLIC_DEVICE_ID),
    SERIAL_NUMBER,
    MAC_ADDRESS,
    WIFI_MAC,
    DEVICE_IP,
    VIN,
    str(USER_ID),
    ACCOUNT_NUMBER,
    EMAIL,
    GIVEN_NAME,
    FAMILY_NAME,
    PHONE,
)
"""Every value of an answer that tells who or where the household is, as it would appear in text."""
