"""Who this metadata store is, and that its key is the right one."""

import secrets
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, insert, select

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import PermissionDeniedError, StoreCorruptError, StoreFullError
from dtaas.store.database import Database
from dtaas.store.errors import translated
from dtaas.store.key_place import KeyPlace
from dtaas.store.secrets import SecretBox, key_id
from dtaas.store.tables import installation


class Installation(Struct, frozen=True, kw_only=True):
    """The identity of the store and the box that opens its secrets."""

    id: str
    box: SecretBox


async def identify(
    database: Database, place: KeyPlace, now: Callable[[], datetime]
) -> Installation:
    """Return the identity of the store, made at the first start together with the key file.

    Raises:
        StoreCorruptError: the key file is missing, not the one of this database, or open to others.
        PermissionDeniedError: the key file cannot be made.
    """
    blocking = Blocking(1)
    key = await blocking(place.read)
    row = await database.read(lambda c: c.execute(select(installation)).one_or_none())
    if row is not None:
        if key is None or row.key_id != key_id(key):
            key = await blocking(place.finish_rotation, row.key_id) or key
        if key is None:
            raise StoreCorruptError(
                f"The key file {place} of {database.place} is missing.",
                hint="Put it back from a backup: without it the connectors' secrets are lost.",
            )
        if row.key_id != key_id(key):
            raise StoreCorruptError(
                f"{place} is not the key of {database.place}.",
                hint="Put the key of this database back, or name its file in the settings.",
            )
        return Installation(id=row.installation_id, box=SecretBox(key, row.installation_id))
    if key is None:
        try:
            key = await blocking(place.make)
        except OSError as exc:
            error = translated(exc, database.place)
            if isinstance(error, StoreFullError):
                raise error from exc
            raise PermissionDeniedError(
                f"The key file {place} cannot be made: {exc.strerror}.",
                hint="Name a file in a folder that the user of the daemon may write.",
            ) from exc
    identity = secrets.token_hex(16)
    values = {"id": 1, "installation_id": identity, "key_id": key_id(key), "created_at": now()}

    def work(connection: Connection) -> None:
        connection.execute(insert(installation).values(values))

    await database.write(work)
    return Installation(id=identity, box=SecretBox(key, identity))
