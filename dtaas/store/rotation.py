"""Puts a new key in the place of the one that seals the secrets, while no daemon runs."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Table, func, select, update

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import SettingsError, StoreInUseError
from dtaas.store.address import StoreAddress
from dtaas.store.alert_rules import purpose_of as channel_purpose
from dtaas.store.alert_tables import alert_channels
from dtaas.store.connectors import purpose_of as connector_purpose
from dtaas.store.database import Database
from dtaas.store.exclusive import exclusive
from dtaas.store.installation import identify
from dtaas.store.key_place import KeyPlace, retire
from dtaas.store.leases import daemons
from dtaas.store.migrate import MIGRATIONS, migrate
from dtaas.store.secrets import SecretBox, key_id, make_key, read_key
from dtaas.store.tables import connectors, installation

_SEALED: Final[tuple[tuple[Table, str, Callable[[int], str]], ...]] = (
    (connectors, "secrets", connector_purpose),
    (alert_channels, "config", channel_purpose),
)


class Rotated(Struct, frozen=True, kw_only=True):
    """What a rotation did.

    Attributes:
        connectors, alert_channels: how many were sealed anew.
        old_key, new_key: ids that tell keys apart and give nothing away.
        kept: the file of the old key, which older backups need; empty when it was not a file of
            ours.
        install: what a person has to put in place before the next start; empty for nothing.
    """

    connectors: int
    alert_channels: int
    old_key: str
    new_key: str
    kept: str = ""
    install: str = ""


async def rotate_key(
    address: StoreAddress,
    place: KeyPlace,
    now: Callable[[], datetime],
    *,
    new_key_file: Path | None = None,
) -> Rotated:
    """Seal every secret with a new key, all in one transaction.

    A crash at any instant leaves the old key with the old seals, or the new one with the new.

    Args:
        new_key_file: holds the new key; without, one is made, which needs a key file of ours.

    Raises:
        SettingsError: the key is not in a file of ours, and no new one was given.
        StoreInUseError: a daemon works on the database.
        StoreCorruptError: the present key is not the right one, or a secret cannot be opened.
    """
    blocking = Blocking(1)
    if new_key_file is None and not place.writable:
        raise SettingsError(
            f"The key comes from {place}, where no new one can be put.",
            hint="(umask 077; openssl rand -hex 32 > new.key), then give --new-key-file new.key.",
        )
    async with exclusive(address) as right:
        database = Database(address, right)
        try:
            await migrate(database, now(), MIGRATIONS)
            await database.read(_refuse_running)
            identity = await identify(database, place, now)
            old = await blocking(place.read)
            new = await blocking(_new_key, place, new_key_file)
            boxes = (identity.box, SecretBox(new, identity.id))
            counts = await database.write(lambda c: _seal_anew(c, *boxes, key_id(new)))
        finally:
            await database.aclose()
        kept = await blocking(_install, place)
    return Rotated(
        **counts,
        old_key=key_id(old or b""),
        new_key=key_id(new),
        kept=str(kept or ""),
        install="" if place.writable else f"Put the new key where {place} comes from.",
    )


def _refuse_running(connection: Connection) -> None:
    """Daemons that share a PostgreSQL hold no exclusive right, but say that they live."""
    alive = select(func.count()).where(daemons.c.expires_at > func.now())
    if connection.dialect.name == "postgresql" and connection.scalar(alive):
        raise StoreInUseError(
            "A daemon works on this metadata database.", hint="Stop every daemon first."
        )


def _new_key(place: KeyPlace, given: Path | None) -> bytes:
    key: bytes | None = None
    if given is not None:
        key = read_key(given)
        if key is None:
            raise SettingsError(f"There is no key file {given}.")
    return make_key(place.next, key) if place.writable else key or b""


def _install(place: KeyPlace) -> Path | None:
    if not place.writable:
        return None
    kept = retire(place.file)
    place.next.replace(place.file)
    return kept


def _seal_anew(
    connection: Connection, old: SecretBox, new: SecretBox, new_id: str
) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for table, column, purpose in _SEALED:
        rows = connection.execute(select(table.c.id, table.c[column])).all()
        sealed = [(row[0], row[1]) for row in rows if row[1] is not None]
        for number, cipher in sealed:
            plain = old.open(cipher, purpose(number))
            change = update(table).where(table.c.id == number)
            connection.execute(change.values({column: new.seal(plain, purpose(number))}))
        counts[table.name] = len(sealed)
    connection.execute(update(installation).values(key_id=new_id))
    return counts
