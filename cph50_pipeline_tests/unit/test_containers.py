"""The deployment files against each other and the repository, as far as that needs no container engine."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
PROFILES = [DEPLOY / "dagster.yaml", DEPLOY / "docker" / "dagster.yaml"]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
IN_IMAGE = "/opt/cph50/"
PINNED_IMAGE = re.compile(r"[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z]+)*")
OURS = "cph50-pipeline"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    return document


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    lines = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [
        (line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line and not line.startswith("#")
    ]


def named_variables(node: object) -> Iterator[str]:
    """Each environment variable that a Dagster configuration takes a value from."""
    if isinstance(node, dict):
        if list(node) == ["env"]:
            yield str(node["env"])
        for value in node.values():
            yield from named_variables(value)
    elif isinstance(node, list):
        for value in node:
            yield from named_variables(value)


def copied(instructions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What the image takes from the repository: path in the repository, target in the image."""
    copies = [arguments.split() for name, arguments in instructions if name == "COPY"]
    return [
        (source, targets[-1]) for targets in copies if "--from=" not in targets[0] for source in targets[:-1]
    ]


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, delimiters=["="])
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser


def test_every_process_of_the_project_has_its_container(services: dict[str, Any]) -> None:
    assert services.keys() == {"postgres", "migrate", "code", "webserver", "daemon", "api"}


def test_every_image_is_pinned_to_a_version(
    services: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    bases = {arguments.split()[0] for name, arguments in instructions if name == "FROM"}
    images = bases | {service["image"] for service in services.values()}
    assert {image for image in images if not PINNED_IMAGE.fullmatch(image)} == set()


def test_our_image_is_that_of_this_version_and_built_here(services: dict[str, Any]) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    ours = {name: service for name, service in services.items() if service["image"].startswith(OURS)}
    assert ours.keys() == services.keys() - {"postgres"}
    assert {service["image"] for service in ours.values()} == {f"{OURS}:{version}"}
    assert [service["build"] for service in ours.values() if "build" in service] == ["."]


def test_every_process_that_stays_is_watched_and_restarted(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name == "migrate":
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries"} <= service["healthcheck"].keys(), name


def test_each_process_waits_until_what_it_needs_is_ready(services: dict[str, Any]) -> None:
    conditions = {
        name: {other: wait["condition"] for other, wait in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    assert conditions == {
        "postgres": {},
        "migrate": {"postgres": "service_healthy"},
        "code": {"migrate": "service_completed_successfully"},
        "webserver": {"code": "service_healthy"},
        "daemon": {"code": "service_healthy"},
        "api": {"migrate": "service_completed_successfully"},
    }


def test_our_processes_share_the_one_data_volume(compose: dict[str, Any]) -> None:
    mounts = {name: service.get("volumes", []) for name, service in compose["services"].items()}
    assert mounts.pop("postgres") == ["records:/var/lib/postgresql/data"]
    assert all(mount == ["data:/data"] for mount in mounts.values())
    assert compose["volumes"].keys() == {"data", "records"}


def test_only_this_machine_reaches_the_pages_and_nobody_the_database(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"webserver": ["127.0.0.1:3000:3000"], "api": ["127.0.0.1:8000:8000"]}


def test_no_password_is_written_down_and_a_missing_one_stops_the_start(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{DAGSTER_PG_PASSWORD:\?.+\}", value)


def test_only_what_asks_sources_is_given_the_account(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "env_file" in service] == ["code", "api"]


def test_every_process_is_given_each_variable_that_its_configuration_names(services: dict[str, Any]) -> None:
    instance = set(named_variables(yaml.safe_load((DEPLOY / "docker" / "dagster.yaml").read_text())))
    workspace = set(named_variables(yaml.safe_load((DEPLOY / "docker" / "workspace.yaml").read_text())))
    assert instance
    assert workspace
    for name in ("migrate", "code", "webserver", "daemon"):
        service = services[name]
        needed = instance | (workspace if "-w" in service["command"] else set())
        assert needed <= service["environment"].keys(), name


def test_webserver_and_daemon_look_for_the_code_location_where_it_listens(services: dict[str, Any]) -> None:
    command = services["code"]["command"]
    for name in ("webserver", "daemon"):
        environment = services[name]["environment"]
        assert environment["CPH50_CODE_HOST"] == "code"
        assert environment["CPH50_CODE_PORT"] == command[command.index("-p") + 1]


def test_the_code_location_has_one_name_everywhere(services: dict[str, Any]) -> None:
    container = yaml.safe_load((DEPLOY / "docker" / "workspace.yaml").read_text())
    local = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())
    module = local["load_from"][0]["python_module"]
    assert container["load_from"][0]["grpc_server"]["location_name"] == module["location_name"]
    assert services["code"]["command"][-1] == module["module_name"]


def test_every_file_that_a_container_names_is_in_the_repository(
    services: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    copies = copied(instructions)
    assert [source for source, _ in copies if not (REPOSITORY / source).exists()] == []
    for service in services.values():
        for word in service.get("command", []):
            if word.startswith(IN_IMAGE):
                assert (REPOSITORY / word.removeprefix(IN_IMAGE)).is_file(), word
                assert any(word.startswith(target) for _, target in copies), word


def test_what_the_image_copies_is_let_through_to_the_builder(instructions: list[tuple[str, str]]) -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    let_through = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for source, _ in copied(instructions):
        places = [Path(source), *Path(source).parents]
        assert any(place.match(pattern) for place in places for pattern in let_through), source


def test_neither_data_nor_secrets_are_let_through_to_the_builder() -> None:
    let_through = {line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert let_through & {"!data", "!.env", "!.git", "!*"} == set()


def test_the_image_has_the_files_that_the_package_links_to(
    instructions: list[tuple[str, str]],
) -> None:
    from cph50_pipeline.defs.instance import PROFILE
    from cph50_pipeline.defs.reference_files import EXAMPLES

    beside = [PROFILE, *EXAMPLES.glob("*.example.*")]
    assert len(beside) == 5
    sources = {(REPOSITORY / source) for source, _ in copied(instructions)}
    assert [path for path in beside if path.resolve() not in sources] == []
    assert any("--editable ." in arguments for name, arguments in instructions if name == "RUN")


def test_the_image_finds_dagsters_configuration_in_its_home(instructions: list[tuple[str, str]]) -> None:
    environment = " ".join(arguments for name, arguments in instructions if name == "ENV")
    found = re.search(r"DAGSTER_HOME=(\S+)", environment)
    assert found is not None
    assert ("deploy/docker/dagster.yaml", f"{found[1]}/dagster.yaml") in copied(instructions)


def test_the_image_installs_only_what_the_lock_vouches_for(instructions: list[tuple[str, str]]) -> None:
    installs = [arguments for name, arguments in instructions if name == "RUN" and "pip install" in arguments]
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert all("--no-deps" in install for install in installs)
    assert "--no-build-isolation" in installs[1]  # the build backend too comes from the lock


def test_the_image_does_not_run_as_root(instructions: list[tuple[str, str]]) -> None:
    users = [arguments for name, arguments in instructions if name == "USER"]
    assert users[-1:] == ["cph50"]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_dagster_accepts_the_profile(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.instance.config import dagster_instance_config

    for variable in named_variables(yaml.safe_load(profile.read_text())):
        monkeypatch.setenv(variable, "5432")
    config, _ = dagster_instance_config(str(profile.parent))
    assert config["telemetry"]["enabled"] is False
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert config["run_monitoring"]["enabled"] is True


def test_the_home_profile_lets_two_runs_go_on_at_once(tmp_path: Path) -> None:
    import dagster as dg

    (tmp_path / "dagster.yaml").write_text(PROFILES[0].read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 2
        assert instance.telemetry_enabled is False


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_setting_of_a_profile_is_justified(profile: Path) -> None:
    """Each section is explained: a comment above it, or above each thing in it."""
    sections = re.split(r"\n\n(?=\S)", profile.read_text())
    unexplained = [section.splitlines()[0] for section in sections if "# " not in section]
    assert unexplained == []


def test_systemd_starts_the_same_processes(services: dict[str, Any]) -> None:
    assert [path.stem for path in UNITS] == ["cph50-api", "cph50-code", "cph50-daemon", "cph50-webserver"]
    for path in UNITS:
        started = unit(path)["Service"]["ExecStart"].split()
        expected = services[path.stem.removeprefix("cph50-")]["command"]
        assert Path(started[0]).name == expected[0]
        assert started[-2:] == [*expected[-2:-1], expected[-1]]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_every_file_that_a_unit_names_is_in_the_repository(path: Path) -> None:
    service = unit(path)["Service"]
    words = f"{service['ExecStart']} {service.get('ExecStartPre', '')}".split()
    named = [word.removeprefix(IN_IMAGE) for word in words if word.startswith(IN_IMAGE)]
    assert [
        name for name in named if not name.startswith(".venv/") and not (REPOSITORY / name).is_file()
    ] == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_every_unit_is_confined(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] == "cph50"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["Restart"] == "always"
    assert "EnvironmentFile" in service
