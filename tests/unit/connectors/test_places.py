"""Where connectors may reach: folders inside allowed roots, and no metadata service by any name."""

from pathlib import Path

import pytest

from dtaas.connectors import places
from dtaas.connectors.places import PlaceGuard
from dtaas.model.alerts import WebhookConfig
from dtaas.model.connectors import (
    ConnectionConfig,
    DeltaFileConfig,
    FileConfig,
    S3Config,
    SqlServerConfig,
)
from dtaas.model.errors import PlaceNotAllowedError
from dtaas.settings import ConnectorsSettings


def guard(tmp_path: Path, **settings: object) -> PlaceGuard:
    made = ConnectorsSettings(**{"file_roots": (str(tmp_path),), **settings})  # type: ignore[arg-type]
    return PlaceGuard(made, (tmp_path / "daemon",))


async def test_folders_inside_the_roots_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    for folder in ("lake", "lake/deep", "link", "not yet"):
        for config in (
            FileConfig(path=str(tmp_path / folder)),
            DeltaFileConfig(path=str(tmp_path / folder)),
        ):
            await guard(tmp_path).check(config)


@pytest.mark.parametrize("folder", ["..", "lake/../..", "daemon", "daemon/x", "lake/../daemon", ""])
async def test_other_folders_are_refused_when_they_are_saved(tmp_path: Path, folder: str) -> None:
    config = FileConfig(path=f"{tmp_path}/{folder}")
    with pytest.raises(PlaceNotAllowedError) as refused:
        guard(tmp_path).admit(config)
    assert refused.value.field == "$.connection_config.path"


async def test_links_are_followed_when_a_connection_is_made(tmp_path: Path) -> None:
    (tmp_path / "daemon").mkdir()
    (tmp_path / "to daemon").symlink_to(tmp_path / "daemon")
    (tmp_path / "to root").symlink_to("/")
    for name in ("to daemon", "to root", "to root/tmp"):
        config = FileConfig(path=str(tmp_path / name))
        guard(tmp_path).admit(config)  # as it is written it looks well
        with pytest.raises(PlaceNotAllowedError):
            await guard(tmp_path).check(config)


@pytest.mark.parametrize("path", ["/etc", "/etc/cron.d", "/usr/local/bin", "/proc/self", "/dev"])
def test_the_systems_folders_are_never_allowed(tmp_path: Path, path: str) -> None:
    with pytest.raises(PlaceNotAllowedError):
        guard(tmp_path, file_roots=("/",)).admit(FileConfig(path=path))


def ways_to(host: str) -> list[ConnectionConfig]:
    name = f"[{host}]" if ":" in host else host
    return [
        SqlServerConfig(host=host, database="d", username="u"),
        S3Config(bucket="lake", endpoint_url=f"http://{name}:80/latest"),
        WebhookConfig(url=f"https://{name}/hook"),
    ]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "::ffff:169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104 - refused
        "::",
        "224.0.0.1",
    ],
)
def test_addresses_of_the_link_are_refused_when_they_are_saved(
    tmp_path: Path, address: str
) -> None:
    for config in ways_to(address):
        with pytest.raises(PlaceNotAllowedError, match="may not reach"):
            guard(tmp_path).admit(config)
        guard(tmp_path, allow_link_local=True).admit(config)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "sql.example"]
)
async def test_other_addresses_are_allowed(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_addresses", lambda _: ["10.0.0.1", "::1"])
    for config in ways_to(host):
        await guard(tmp_path).check(config)


@pytest.mark.parametrize(
    "host", ["metadata.example", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376"]
)
async def test_names_that_lead_to_the_link_are_refused_when_a_connection_is_made(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "example" in host:  # the other spellings the machine's own resolver understands
        monkeypatch.setattr(places, "_addresses", lambda _: ["10.0.0.1", "169.254.169.254"])
    for config in ways_to(host):
        with pytest.raises(PlaceNotAllowedError, match="169"):
            await guard(tmp_path).check(config)


async def test_a_name_nobody_knows_is_the_drivers_to_tell(tmp_path: Path) -> None:
    for config in ways_to("no-such-host.invalid"):
        await guard(tmp_path).check(config)
