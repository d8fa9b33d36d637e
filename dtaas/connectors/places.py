"""Where connectors and alert channels may reach: allowed folders, and no metadata services.

Addresses of the link (169.254.0.0/16, fe80::/10) hold the credentials of cloud machines; a
connector that reads them would hand them to whoever may write connectors.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from os.path import normpath
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from anyio import move_on_after

from dtaas.concurrency.blocking import Blocking
from dtaas.model.connectors import ConnectionConfig, FolderConfig
from dtaas.model.errors import PlaceNotAllowedError
from dtaas.settings import ConnectorsSettings

_SYSTEM: Final = tuple(
    Path("/", name)
    for name in ("etc", "proc", "sys", "dev", "boot", "usr", "bin", "sbin", "lib", "lib64")
)
_METADATA: Final = frozenset({ip_address("fd00:ec2::254"), ip_address("100.100.100.200")})
_URLS: Final = ("endpoint_url", "url", "webhook_url")
_LOOK_UP_LIMIT_S: Final = 10.0


class PlaceGuard:
    """Refuses places."""

    def __init__(self, settings: ConnectorsSettings, private: tuple[Path, ...] = ()) -> None:
        """Guard by the settings.

        Args:
            private: folders of the daemon's own, which no connector may write into.
        """
        self._settings = settings
        self._private = private
        self._blocking = Blocking(2)

    def admit(self, config: ConnectionConfig) -> None:
        """Refuse what can be refused without asking anybody: for when it is saved. Pure.

        Raises:
            PlaceNotAllowedError: the folder or address is not allowed; names the field.
        """
        if isinstance(config, FolderConfig):
            self._check_folder(config.path, _as_written)
        for field, host in _hosts(config):
            self._check_address(field, host, host)

    async def check(self, config: ConnectionConfig) -> None:
        """Refuse as `admit` does, and what links and names lead to: when a connection is made."""
        self.admit(config)
        if isinstance(config, FolderConfig):
            await self._blocking(self._check_folder, config.path, _as_it_is)
        for field, host in _hosts(config):
            with move_on_after(_LOOK_UP_LIMIT_S):  # a name nobody knows is the driver's to tell
                for address in await self._blocking(_addresses, host):
                    self._check_address(field, host, address)

    def _check_folder(self, path: str, seen: Callable[[str], Path]) -> None:
        folder = seen(path)
        roots = [seen(root) for root in self._settings.file_roots]
        private = [seen(str(own)) for own in self._private]
        inside = any(folder.is_relative_to(root) for root in roots)
        taken = any(folder.is_relative_to(own) for own in (*private, *_SYSTEM))
        around = any(own.is_relative_to(folder) for own in private)
        if not inside or taken or around:
            raise PlaceNotAllowedError(
                f"The folder {path} may not be written by connectors.",
                hint="Use one inside [connectors] file_roots and outside the daemon's own: "
                + ", ".join(self._settings.file_roots),
                field="$.connection_config.path",
            )

    def _check_address(self, field: str, host: str, address: str) -> None:
        if self._settings.allow_link_local:
            return
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return  # a name: `check` looks where it leads
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if found.is_link_local or found.is_multicast or found.is_unspecified or found in _METADATA:
            raise PlaceNotAllowedError(
                f"{host} leads to {found}, which connectors may not reach.",
                hint="Addresses of the link hold machines' credentials. If this one is meant, set"
                " [connectors] allow_link_local.",
                field=f"$.connection_config.{field}",
            )


def _as_written(path: str) -> Path:
    return Path(normpath(path))


def _as_it_is(path: str) -> Path:
    """Return where links lead. Blocking."""
    return Path(path).resolve()


def _hosts(config: ConnectionConfig) -> list[tuple[str, str]]:
    """Return the hosts a configuration names, each with its field."""
    found = [("host", str(getattr(config, "host", "") or ""))]
    for field in _URLS:
        try:
            name = urlsplit(str(getattr(config, field, "") or "")).hostname or ""
        except ValueError:
            name = ""
        found.append((field, name))
    return [(field, host.strip("[]")) for field, host in found if host]


def _addresses(host: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None)]
    except (OSError, UnicodeError):
        return []
