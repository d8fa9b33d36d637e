"""One session's requests, each to its answer."""

from typing import Final

from dtaas.sandbox.sqlserver.results import Session, SqlError
from dtaas.sandbox.sqlserver.wire import tokens
from dtaas.sandbox.sqlserver.wire.answer import Answer, TransactionWatch
from dtaas.sandbox.sqlserver.wire.faults import Faults
from dtaas.sandbox.sqlserver.wire.login import Login
from dtaas.sandbox.sqlserver.wire.packets import Message
from dtaas.sandbox.sqlserver.wire.procedures import Procedures
from dtaas.sandbox.sqlserver.wire.protocol import (
    TDS_7_3,
    DoneStatus,
    EnvChange,
    PacketStatus,
    PacketType,
    ProtocolError,
)
from dtaas.sandbox.sqlserver.wire.reply import Reply
from dtaas.sandbox.sqlserver.wire.requests import (
    TransactionKind,
    TransactionRequest,
    parse_batch,
    parse_rpc,
    parse_transaction,
)

_BROKEN_STREAM: Final = 4002
_NO_DISTRIBUTED_TRANSACTIONS: Final = 8501
_RESET: Final = PacketStatus.RESET_CONNECTION | PacketStatus.RESET_CONNECTION_SKIP_TRANSACTION


class Dispatch:
    """Answers the messages of a logged-in client, one at a time."""

    def __init__(self, session: Session, reply: Reply, login: Login, faults: Faults) -> None:
        self.reply = reply
        self._session = session
        self._procedures = Procedures(session)
        self._transactions = TransactionWatch(session)
        self._faults = faults
        self._null_bitmap = login.tds_version >= TDS_7_3

    async def answer(self, message: Message) -> bool:
        """Write the whole answer to a request; false when the connection must end after it."""
        if message.ignore:
            self.reply.end(DoneStatus.ERROR)
            return True
        if message.status & _RESET:
            await self._reset(message.status)
        try:
            await self._request(message)
        except ProtocolError as exc:
            text = f"The incoming tabular data stream (TDS) protocol stream is incorrect: {exc}."
            self.reply.error(SqlError(_BROKEN_STREAM, text))
            self.reply.end(DoneStatus.ERROR)
            return False
        return not self.reply.fatal

    async def _request(self, message: Message) -> None:
        match message.type:
            case PacketType.SQL_BATCH:
                sql = parse_batch(message.payload)
                await self._new_answer(procedure=False).run(self._session.batch(sql))
            case PacketType.RPC:
                calls = parse_rpc(message.payload)
                for number, call in enumerate(calls, start=1):
                    answer = self._new_answer(procedure=True)
                    await answer.run(self._procedures.call(call), last=number == len(calls))
            case PacketType.TRANSACTION_MANAGER:
                await self._transaction(parse_transaction(message.payload))
                return
            case _:
                raise ProtocolError(f"a {message.type.name} is not supported here")
        self.reply.end()

    def _new_answer(self, *, procedure: bool) -> Answer:
        return Answer(
            self.reply,
            self._transactions,
            self._faults,
            procedure=procedure,
            null_bitmap=self._null_bitmap,
        )

    async def _reset(self, status: PacketStatus) -> None:
        """Give the client a session as if it had just logged in.

        The port has no way to reset and keep the transaction, which only distributed
        transactions ask for: with one open only our own state is reset.
        """
        self._procedures.forget()
        keep = status & PacketStatus.RESET_CONNECTION_SKIP_TRANSACTION
        if not keep or not self._session.transaction:
            before = self._session.database
            await self._session.reset()
            if self._session.database != before:
                changed = tokens.env_text(EnvChange.DATABASE, self._session.database, before)
                self.reply.write(changed)
        self.reply.write(self._transactions.changes(rolled_back=True))
        self.reply.write(tokens.env_bytes(EnvChange.RESET_CONNECTION, b""))

    async def _transaction(self, request: TransactionRequest) -> None:
        try:
            await self._change_transaction(request)
        except SqlError as error:
            self.reply.write(self._transactions.changes(rolled_back=True))
            self.reply.error(error)
            self.reply.end(DoneStatus.ERROR)
        else:
            self.reply.end(DoneStatus.FINAL)

    async def _change_transaction(self, request: TransactionRequest) -> None:
        match request.kind:
            case TransactionKind.BEGIN:
                await self._session.begin(request.isolation)
            case TransactionKind.COMMIT:
                await self._session.commit()
            case TransactionKind.ROLLBACK:
                await self._session.rollback()
            case _:
                raise SqlError(
                    _NO_DISTRIBUTED_TRANSACTIONS,
                    "MSDTC on server is unavailable: distributed transactions and savepoints "
                    "by transaction manager request are not simulated.",
                    state=3,
                )
        rolled_back = request.kind == TransactionKind.ROLLBACK
        self.reply.write(self._transactions.changes(rolled_back=rolled_back))
        if request.begin_next:
            await self._session.begin(request.isolation)
            self.reply.write(self._transactions.changes(rolled_back=False))
