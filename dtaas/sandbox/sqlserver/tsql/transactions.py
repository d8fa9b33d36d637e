"""@@TRANCOUNT over the storage's single transaction.

Source: Microsoft Learn, "BEGIN TRANSACTION", "COMMIT TRANSACTION", "ROLLBACK TRANSACTION".
"""

from dtaas.sandbox.sqlserver.tsql import transaction_errors as errors
from dtaas.sandbox.sqlserver.tsql.storage_port import Storage, TransactionState


class Transactions:
    """The explicit transaction of a session.

    Attributes:
        count: @@TRANCOUNT.
        descriptor: number the wire names the open transaction by, 0 without one.
        doomed: XACT_STATE() is -1: it can only be rolled back.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._name = ""
        self._descriptors = 0
        self.count = 0
        self.descriptor = 0
        self.doomed = False

    @property
    def state(self) -> int:
        """XACT_STATE()."""
        if not self.count:
            return 0
        return -1 if self.doomed else 1

    async def begin(self, name: str = "") -> None:
        """Open a transaction, or count one more. Raises: SqlError 3930."""
        self.check_writable()
        if not self.count:
            await self._storage.begin()
            self._descriptors += 1
            self.descriptor = (self._storage.spid << 32) + self._descriptors
            self._name = name.lower()
        self.count += 1

    async def commit(self) -> None:
        """Count one less, and commit at 0. Raises: SqlError 3902, 3930, or the storage's."""
        if not self.count:
            raise errors.commit_without_begin()
        self.check_writable()
        if self.count == 1:
            self.forget()
            await self._storage.commit()
        else:
            self.count -= 1

    async def rollback(self, name: str = "") -> None:
        """Roll everything back, or to the savepoint `name`. Raises: SqlError 3903, 3931, 6401."""
        if not self.count:
            raise errors.rollback_without_begin()
        if name and name.lower() != self._name:
            if self.doomed:
                raise errors.doomed_to_savepoint()
            await self._storage.rollback_to(name)
            return
        self.forget()
        await self._storage.rollback()

    async def save(self, name: str) -> None:
        """Set a savepoint. Raises: SqlError 628, 3930."""
        if not self.count:
            raise errors.save_without_begin()
        self.check_writable()
        await self._storage.savepoint(name)

    def doom(self) -> None:
        """Allow nothing but a rollback from now on."""
        self.doomed = bool(self.count)

    async def abort(self) -> None:
        """Roll back if there is something to: a batch ended by an error, or the session ends."""
        open_ = bool(self.count) or self._storage.transaction is not TransactionState.NONE
        self.forget()
        if open_:
            await self._storage.rollback()

    def forget(self) -> None:
        """Take it that the storage has no transaction any more."""
        self.count = self.descriptor = 0
        self.doomed = False

    def check_writable(self) -> None:
        """Raises: SqlError 3930 in a doomed transaction."""
        if self.doomed:
            raise errors.doomed()
