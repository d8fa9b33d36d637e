"""Reads one chunk with the native decoder: TDS to Arrow without ODBC, several times faster."""

from collections.abc import Sequence

import pyarrow as pa

from dtaas.connectors.sqlserver.breakable import BreakableCalls
from dtaas.connectors.sqlserver.bulk import GRACE_S
from dtaas.connectors.sqlserver.connection import SESSION_SETTINGS
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.errors import to_dtaas_error
from dtaas.connectors.sqlserver.quoting import identifier
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.surrogates import first_invalid
from dtaas.connectors.sqlserver.transit import refuse_nulls, type_changed
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.connectors import Reader
from dtaas.model.errors import (
    ConnectionLostError,
    DtaasError,
    UnsupportedTypeError,
    ValueTooLargeError,
)
from dtaas.model.execution import ReadBy
from dtaas.model.schema import TableSchema
from dtaas.tds.errors import BadValueError, NotDecodableError
from dtaas.tds.login import Login
from dtaas.tds.metadata import WireColumn
from dtaas.tds.plan import ColumnPlan, plan_column
from dtaas.tds.session import Encryption, Result, Session, Target

_PACKET_BYTES = 16_383
"""The most that works through TLS; the server may answer with less."""


class NativeReader:
    """A chunk being read on a connection of its own. Nothing is read before it is asked for."""

    def __init__(
        self,
        endpoint: Endpoint,
        sql: str,
        schema: TableSchema,
        columns: Sequence[SqlColumn],
        *,
        batch_rows: int,
        batch_bytes: int,
        rate: RateLimit,
        session: Session | None = None,
    ) -> None:
        """Prepare to read the result of `sql`, whose columns are `columns` in order.

        Args:
            session: one that another reader gave back; without it `open` makes one.
        """
        self._endpoint = endpoint
        self._sql = sql
        self._schema = schema
        self._final = schema.arrow_schema()
        self._columns = columns
        self._batch_bytes = batch_bytes
        self._batch_rows = max(1, min(batch_rows, batch_bytes // _fixed_bytes(self._final)))
        self._rate = rate
        self._kept = session is not None
        self._settings = ""
        self._session = session or Session(target_of(endpoint))
        self._calls = self._calls_of(self._session)
        self._result: Result | None = None
        self._ready: pa.RecordBatch | None = None
        self._ended = False
        self._broken = False
        self._given_back = False

    async def open(self, settings: str) -> None:
        """Connect, log in and run `settings` besides those of every session.

        Nothing of that for a session that was given: it is set up.

        Raises:
            DtaasError: by the server's error number.
        """
        self._settings = settings
        if not self._kept:
            await set_up(self._endpoint, self._session, self._calls, settings)

    async def start(self) -> None:
        """Start the query.

        Raises:
            NotDecodableError: a column is of a type the decoder does not know; nothing was read.
            SchemaChangedError: the result is not that of the table as it was described.
        """
        limit_s = self._endpoint.config.query_timeout_s + GRACE_S
        try:
            reason = await self._calls.call(self._start, limit_s=limit_s)
        except ConnectionLostError:
            if not self._kept:
                raise
            await self._reconnect()  # it died while nobody used it
            reason = await self._calls.call(self._start, limit_s=limit_s)
        if reason:
            raise NotDecodableError(reason)

    @property
    def read_by(self) -> ReadBy:
        """The native decoder, which is the first choice."""
        return ReadBy(Reader.NATIVE.value)

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last row. `start` comes first."""
        if self._ready is None and not self._ended:
            if self._broken:
                raise ConnectionLostError(
                    f"Reading {self._schema.table} was broken off.",
                    hint="The chunk is read again.",
                )
            self._broken = True  # until the call has ended well
            limit_s = self._endpoint.config.query_timeout_s + GRACE_S
            self._ready = await self._calls.call(self._fetch, limit_s=limit_s)
            self._ended = self._ready is None
            self._broken = False
        if self._ready is None:
            return None
        await self._rate.take(self._ready.nbytes)  # before it is ours: a cancel loses no rows
        batch, self._ready = self._ready, None
        return batch

    def give_back(self) -> Session | None:
        """Return the session, for another reader, if its result was read to the end.

        The reader does not close it then.
        """
        if not self._ended or self._broken:
            return None
        self._broken = self._given_back = True
        return self._session

    async def aclose(self) -> None:
        """Stop reading and free everything. Idempotent."""
        self._broken = True
        if not self._given_back:
            await self._calls.end(self._free)

    async def _reconnect(self) -> None:
        await self._calls.end(self._free)
        self._kept = False
        self._session = Session(target_of(self._endpoint))
        self._calls = self._calls_of(self._session)
        await set_up(self._endpoint, self._session, self._calls, self._settings)

    def _calls_of(self, session: Session) -> BreakableCalls:
        return BreakableCalls(
            f"Reading {self._schema.table}", abort=session.abort, to_error=self._to_error
        )

    def _start(self) -> str:
        """Start the query. Returns why the decoder cannot read it, '' when it can."""
        try:
            result = self._session.query(self._sql)
            plans = self._plans(result.columns)
        except NotDecodableError as exc:
            return str(exc)
        result.start(plans, self._final, most_value_bytes=self._endpoint.config.max_lob_bytes)
        self._result = result
        return ""

    def _plans(self, found: Sequence[WireColumn]) -> list[ColumnPlan]:
        plans = []
        for index, field in enumerate(self._final):
            plan = plan_column(found[index], field.type) if index < len(found) else None
            if plan is None:
                raise type_changed(self._schema, index)
            plans.append(plan)
        return plans

    def _fetch(self) -> pa.RecordBatch | None:
        if self._result is None:
            raise RuntimeError("The native reader was not started.")
        batch = self._result.next(most_rows=self._batch_rows, most_bytes=self._batch_bytes)
        if batch is not None:
            refuse_nulls(batch, self._schema)
        return batch

    def _free(self) -> None:
        if self._result is not None:
            self._result.close()
        self._session.close()

    def _to_error(self, failure: Exception) -> DtaasError:
        if isinstance(failure, BadValueError):
            return self._bad_value(failure)
        return to_dtaas_error(failure, where=f"Reading {self._schema.table}")

    def _bad_value(self, bad: BadValueError) -> DtaasError:
        name = self._columns[bad.column].name
        if bad.reason == "too_large":
            most = self._endpoint.config.max_lob_bytes
            return ValueTooLargeError(
                f"Column {name} of {self._schema.table} holds a value longer than {most}.",
                hint=f"The limit is max_lob_bytes = {most} of the connector; raise it.",
            )
        where = f"Column {identifier(name)} of {self._schema.table}"
        if bad.reason == "bad_text":
            return UnsupportedTypeError(
                f"{where} holds bytes that are no character of its collation's code page.",
                hint="Correct the value in the source, or set the connector's reader to odbc: the "
                "driver puts another character in their place.",
            )
        what = "bytes that are not UTF-8"
        if bad.reason == "lone_surrogate":
            what = f"a lone surrogate in {first_invalid([bad.value])!r}"
        return UnsupportedTypeError(
            f"{where} holds text that is not Unicode: {what}.",
            hint="Correct the value in the source; no file format could hold it.",
        )


async def set_up(
    endpoint: Endpoint, session: Session, calls: BreakableCalls, settings: str
) -> None:
    """Connect, log in and run `settings` besides those of every session.

    Raises:
        DtaasError: by the server's error number.
    """
    config = endpoint.config
    await endpoint.reach()
    await calls.call(session.connect, limit_s=config.login_timeout_s + GRACE_S)
    batch = SESSION_SETTINGS + settings
    await calls.call(session.execute, batch, limit_s=config.query_timeout_s + GRACE_S)


def target_of(endpoint: Endpoint) -> Target:
    config = endpoint.config
    return Target(
        host=config.host,
        port=config.port,
        encryption=Encryption(config.encrypt.value),
        login=Login(
            user=config.username,
            password=config.password,
            database=config.database,
            server=config.host,
            application=endpoint.application,
            packet_size=_PACKET_BYTES,
            token=config.access_token,
            read_only=config.application_intent_read_only,
        ),
        certificate_host=config.host_name_in_certificate,
        trust_certificate=config.trust_server_certificate,
        connect_timeout_s=config.login_timeout_s,
    )


def _fixed_bytes(schema: pa.Schema) -> int:
    """Return the bytes a row takes before its text: the least a batch needs for it."""
    total = 0
    for field in schema:
        try:
            total += max(1, field.type.bit_width // 8)
        except ValueError:  # of variable length: an offset
            total += 4
    return max(1, total)
