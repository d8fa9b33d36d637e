"""@@TRANCOUNT over one storage transaction."""

import pytest

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.error_effects import Effect, effect_of
from dtaas.sandbox.sqlserver.tsql.storage_port import TransactionState
from dtaas.sandbox.sqlserver.tsql.transactions import Transactions


class Recorder:
    """The transaction part of a storage: it remembers what it was told."""

    def __init__(self) -> None:
        self.spid = 51
        self.told: list[str] = []
        self.transaction = TransactionState.NONE

    async def begin(self) -> None:
        self.told.append("begin")
        self.transaction = TransactionState.OPEN

    async def commit(self) -> None:
        self.told.append("commit")
        self.transaction = TransactionState.NONE

    async def rollback(self) -> None:
        self.told.append("rollback")
        self.transaction = TransactionState.NONE

    async def savepoint(self, name: str) -> None:
        self.told.append(f"save {name}")

    async def rollback_to(self, name: str) -> None:
        self.told.append(f"back to {name}")


@pytest.fixture
def storage() -> Recorder:
    return Recorder()


@pytest.fixture
def transactions(storage: Recorder) -> Transactions:
    return Transactions(storage)  # type: ignore[arg-type] # the part of Storage it uses


async def test_only_the_outermost_pair_reaches_the_storage(
    storage: Recorder, transactions: Transactions
) -> None:
    await transactions.begin()
    first = transactions.descriptor
    await transactions.begin()
    await transactions.commit()
    assert (transactions.count, transactions.descriptor) == (1, first)
    await transactions.commit()
    assert (transactions.count, transactions.descriptor) == (0, 0)
    await transactions.begin()
    assert transactions.descriptor not in {0, first}
    assert storage.told == ["begin", "commit", "begin"]


async def test_rollback_takes_everything(storage: Recorder, transactions: Transactions) -> None:
    await transactions.begin("Outer")
    await transactions.begin("inner")
    await transactions.save("s")
    await transactions.rollback("s")
    assert transactions.count == 2
    await transactions.rollback("OUTER")
    assert transactions.count == 0
    assert storage.told == ["begin", "save s", "back to s", "rollback"]


async def test_a_doomed_transaction_can_only_be_rolled_back(transactions: Transactions) -> None:
    await transactions.begin()
    transactions.doom()
    assert transactions.state == -1
    numbers = []
    for refused in (transactions.begin(), transactions.commit(), transactions.save("a")):
        with pytest.raises(SqlError) as caught:
            await refused
        numbers.append(caught.value.number)
    assert numbers == [3930, 3930, 3930]
    with pytest.raises(SqlError) as caught:
        await transactions.rollback("a")
    assert caught.value.number == 3931
    await transactions.rollback()
    assert transactions.state == 0


async def test_nothing_to_end(storage: Recorder, transactions: Transactions) -> None:
    for request, number in (
        (transactions.commit(), 3902),
        (transactions.rollback(), 3903),
        (transactions.save("a"), 628),
    ):
        with pytest.raises(SqlError) as caught:
            await request
        assert caught.value.number == number
    transactions.doom()
    assert not transactions.doomed
    await transactions.abort()
    assert storage.told == []


@pytest.mark.parametrize(
    ("number", "severity", "xact_abort", "effect"),
    [
        (2627, 14, False, Effect.STATEMENT),
        (2627, 14, True, Effect.TRANSACTION),
        (8134, 16, False, Effect.STATEMENT),
        (245, 16, False, Effect.TRANSACTION),
        (1205, 13, False, Effect.TRANSACTION),
        (1222, 16, False, Effect.STATEMENT),
        (5701, 10, True, Effect.STATEMENT),
    ],
)
def test_what_errors_end(number: int, severity: int, *, xact_abort: bool, effect: Effect) -> None:
    error = SqlError(number, "", severity=severity)
    assert effect_of(error, xact_abort=xact_abort) is effect
