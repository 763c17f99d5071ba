"""Every setting, from the environment and `.env`; one object, read once.

Secrets are `SecretStr` here and reach Dagster only by the names of their environment variables.
No setting is read from the environment anywhere else.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from dotenv import load_dotenv
from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cph50_pipeline.civil_time import parse_month
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.rhythm import DEFAULT_RHYTHM, Rhythm, parse_rhythm

PREFIX = "CPH50_"
CHARGEPOINT_DISCOVERY_URL = "https://discovery.chargepoint.com/discovery/v3/globalconfig"


class Source(StrEnum):
    """Where sessions come from."""

    SIMULATOR = "simulator"
    CHARGEPOINT = "chargepoint"


class Privacy(StrEnum):
    """What may be stored of an answer: `public` is scrubbed at the edge, `private` is kept whole."""

    PUBLIC = "public"
    PRIVATE = "private"


class PublishMode(StrEnum):
    """Where a run's files are committed, and how they get there."""

    OFF = "off"
    LOCAL = "local"
    PUSH = "push"
    GITHUB = "github"


class PowerRetention(StrEnum):
    """What becomes of the house's readings when they are old."""

    KEEP = "keep"
    COMPRESS = "compress"
    THIN = "thin"


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class ApiReads(StrEnum):
    """Who may read what the API serves."""

    OPEN = "open"
    TOKEN = "token"


class Settings(BaseSettings):
    """The settings of this process. `load_settings` is the way to get them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    source: Source = Field(default=Source.SIMULATOR, description="simulator or chargepoint")
    data_dir: str | None = Field(
        default=None, description="Data root: a folder, or an object store's URL. Default: by source"
    )
    state_dir: Path | None = Field(
        default=None,
        description="Private folder when the data root is an object store. Default: .cph50/private",
    )
    timezone: str = Field(default="America/Los_Angeles", description="The household's time zone (IANA name)")
    history_start: str = Field(default="2025-01", description="First month kept (YYYY-MM)")
    privacy: Privacy = Field(
        default=Privacy.PUBLIC, description="public scrubs answers before they are stored"
    )

    chargepoint_discovery_url: AnyHttpUrl | None = Field(
        default=None, description="Where ChargePoint's discovery answers. Default: by source"
    )
    chargepoint_username: str = Field(default="", description="ChargePoint account")
    chargepoint_password: SecretStr | None = Field(default=None, description="ChargePoint password")
    chargepoint_token: SecretStr | None = Field(default=None, description="A saved coulomb_sess value")

    sample_count: int = Field(default=30, ge=1, le=1000, description="Samples of a collection")
    sample_interval_seconds: float = Field(default=10, gt=0, le=3600, description="Seconds between samples")
    poll_seconds: int = Field(
        default=30,
        ge=30,
        le=3600,
        description="Seconds between looks at the charger; a look takes 2 or 3 requests of 6 a minute",
    )

    home_assistant_url: AnyHttpUrl | None = Field(
        default=None, description="Home Assistant's address as a browser shows it. Default: by source"
    )
    home_assistant_token: SecretStr | None = Field(
        default=None, description="A long-lived access token of Home Assistant"
    )
    power_interval_seconds: int = Field(
        default=600, ge=10, le=3600, description="Seconds between two readings of the house's meters"
    )

    power_retention: PowerRetention = Field(
        default=PowerRetention.KEEP, description="keep, compress or thin readings that are old"
    )
    power_retention_months: int = Field(
        default=24, ge=1, le=1200, description="After how many months readings are old"
    )
    power_thin_seconds: int = Field(
        default=300, ge=60, le=3600, description="Seconds between two readings where old ones are thinned"
    )

    publish: PublishMode | None = Field(
        default=None,
        description="off, local, push or github. Default: local with the simulator, off with a charger",
    )
    publish_delay_minutes: int | None = Field(
        default=None, ge=0, description="Delay before last_session.json is published; unset: never"
    )
    github_repository: str = Field(default="", description="Data repository on GitHub: owner/name")
    github_branch: str = Field(default="main", description="Branch of the data repository")
    github_token: SecretStr | None = Field(
        default=None, description="Access token with Contents read and write on the data repository"
    )
    github_api_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://api.github.com/"), description="Where GitHub's API answers"
    )
    git_remote: str = Field(
        default="",
        description="Where push pushes: HTTPS, SSH or a folder. Default: the data repository on GitHub",
    )
    upload: str = Field(
        default=str(DEFAULT_RHYTHM),
        description="What push and github upload, and after how many minutes at the earliest, or off",
    )

    live_database_url: SecretStr | None = Field(
        default=None,
        description="Database of the latest values, as SQLAlchemy writes it. Default: SQLite in the private folder",
    )
    live_seconds: int = Field(
        default=30, ge=5, le=3600, description="Seconds between two looks at the devices' latest values"
    )
    live_carry_minutes: int = Field(
        default=15, ge=0, description="How long a sensor that fell silent keeps its value beside newer ones"
    )
    live_history_days: int = Field(
        default=7, ge=0, le=3650, description="How long the latest values of before are kept; 0: not at all"
    )
    telemetry_url: SecretStr | None = Field(
        default=None, description="Database of a fleet's telemetry, as SQLAlchemy writes it"
    )
    devices_file: str = Field(
        default="devices.yaml",
        description="What telemetry is read; a path in the data root, or an absolute one",
    )

    api_host: str = Field(default="127.0.0.1", description="Where `cph50 serve` listens")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Its port; 0: any free one")
    api_token: SecretStr | None = Field(
        default=None,
        description="Token for what changes something, or sha256: and its hash. `cph50 token` makes one",
    )
    api_reads: ApiReads | None = Field(
        default=None,
        description="open or token: who may read. Default: open on this machine alone, else token",
    )
    api_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://localhost:8000/"), description="Where people reach the read API"
    )
    dagster_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://localhost:3000/"), description="Where people reach Dagster's UI"
    )
    api_requests_per_minute: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        description="Requests a minute that one client may make of the read API",
    )
    run_retention_days: int = Field(
        default=90, ge=1, le=3650, description="After how many days maintenance forgets Dagster's runs"
    )
    log_format: LogFormat = Field(default=LogFormat.TEXT, description="text or json")

    simulator_seed: int = Field(default=50, ge=0, description="Which household the simulator plays")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(
                f"'{value}' is not a time zone; write it as an IANA name such as America/Los_Angeles"
            )
        return value

    @field_validator("history_start")
    @classmethod
    def _a_month(cls, value: str) -> str:
        try:
            return parse_month(value)
        except BadInputError as error:
            raise ValueError(str(error)) from error

    @field_validator("home_assistant_url")
    @classmethod
    def _an_address_alone(cls, value: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if value is not None and (value.username or value.password or value.query or value.fragment):
            raise ValueError(
                "carries more than an address; the token belongs into CPH50_HOME_ASSISTANT_TOKEN"
            )
        return value

    @field_validator("github_repository")
    @classmethod
    def _owner_and_name(cls, value: str) -> str:
        if value and not is_owner_and_name(value):
            raise ValueError(f"'{value}' is not a repository; write it as owner/name")
        return value

    @field_validator("github_branch")
    @classmethod
    def _a_branch(cls, value: str) -> str:
        if not re.fullmatch(
            r"(?!.*(?://|\.\.|@\{|\.lock(?:/|$)|/$|\.$))[0-9A-Za-z_][0-9A-Za-z_./@{}+-]*", value
        ):
            raise ValueError(f"'{value}' is not the name of a branch")
        return value

    @field_validator("git_remote")
    @classmethod
    def _a_remote_without_secret(cls, value: str) -> str:
        if value.startswith("-"):
            raise ValueError(f"{value!r} is not an address")
        if re.match(r"\w+://[^/@]*:[^/@]*@|https?://[^/@]+@", value):
            raise ValueError("carries more than an address; the token belongs into CPH50_GITHUB_TOKEN")
        return value

    @field_validator("upload")
    @classmethod
    def _a_rhythm(cls, value: str) -> str:
        try:
            return str(parse_rhythm(value))
        except BadInputError as error:
            raise ValueError(str(error)) from error

    @cached_property
    def zone(self) -> ZoneInfo:
        """The household's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def data_root(self) -> str:
        """The data root: an absolute folder, or an object store's URL."""
        default = ".cph50/dev/data" if self.source is Source.SIMULATOR else "data"
        root = self.data_dir or default
        return root if is_object_store(root) else str(Path(root).resolve())

    @property
    def private_dir(self) -> Path:
        """Where tokens, locks, logs and Dagster's home are kept; never published."""
        if self.state_dir is not None:
            return self.state_dir.resolve()
        if is_object_store(self.data_root):
            return Path(".cph50/private").resolve()
        return Path(self.data_root) / "private"

    @property
    def live_url(self) -> str:
        """The database of the latest values, as SQLAlchemy writes it; may hold a password."""
        if self.live_database_url is not None:
            return self.live_database_url.get_secret_value()
        return f"sqlite:///{self.private_dir / 'live.sqlite'}"

    @property
    def dagster_home(self) -> Path:
        """`DAGSTER_HOME` where it is set, else a folder of the data root's private part."""
        home = os.environ.get("DAGSTER_HOME")
        return Path(home) if home else self.private_dir / "dagster"

    @property
    def publish_mode(self) -> PublishMode:
        """The publish mode in force."""
        if self.publish is not None:
            return self.publish
        is_simulated = self.source is Source.SIMULATOR and not is_object_store(self.data_root)
        return PublishMode.LOCAL if is_simulated else PublishMode.OFF

    @property
    def rhythm(self) -> Rhythm:
        """What is uploaded, and how often at most."""
        return parse_rhythm(self.upload)

    @property
    def remote_url(self) -> str:
        """Where `push` pushes; empty when no repository is named."""
        named = f"https://github.com/{self.github_repository}.git" if self.github_repository else ""
        return self.git_remote or named

    @property
    def discovery_url(self) -> str | None:
        """Where discovery answers; None means the simulator inside this process."""
        if self.chargepoint_discovery_url is not None:
            return str(self.chargepoint_discovery_url)
        return None if self.source is Source.SIMULATOR else CHARGEPOINT_DISCOVERY_URL

    @property
    def simulates_home(self) -> bool:
        """Whether Home Assistant is the simulated one inside this process."""
        return self.source is Source.SIMULATOR and self.home_assistant_url is None

    def describe(self) -> list[dict[str, str]]:
        """Every setting with the value in force, secrets masked, and what it means."""
        rows = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            in_force = {"data_dir": self.data_root, "publish": self.publish_mode.value}.get(name, value)
            shown = "" if in_force is None else str(in_force)  # SecretStr shows itself as asterisks
            rows.append(
                {"setting": PREFIX + name.upper(), "value": shown, "meaning": field.description or ""}
            )
        return rows


def is_object_store(root: str) -> bool:
    """Whether a data root is a URL of an object store rather than a folder."""
    return "://" in root


def is_owner_and_name(text: str) -> bool:
    """Whether a text names a repository as GitHub does: owner/name."""
    return re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z-]*/(?!\.{1,2}$)[0-9A-Za-z_.-]+", text) is not None


def load_settings(**changes: object) -> Settings:
    """The settings of this process, with changes that a command makes.

    Raises:
        BadInputError: one line that names every wrong setting and what it should be.
    """
    load_dotenv(".env")  # so that Dagster's EnvVar finds the secrets there, too
    try:
        return Settings(**changes)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadInputError(
            "; ".join(_explain(detail) for detail in error.errors()),
            remedy="`cph50 settings` lists all settings",
        ) from None


def _explain(detail: object) -> str:
    assert isinstance(detail, dict)
    name = PREFIX + "_".join(str(part) for part in detail["loc"]).upper()
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"
