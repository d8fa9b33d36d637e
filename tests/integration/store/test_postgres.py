"""The store on PostgreSQL keeps the same promises as on SQLite."""

from tests.contract.charts import ChartsContract
from tests.contract.repositories import (
    ConnectorRepositoryContract,
    ExecutionRepositoryContract,
    FiguresContract,
    TaskRepositoryContract,
)
from tests.contract.rollups import RollupsContract
from tests.contract.stored import CheckpointsSuite, EngineStoreSuite, LoadsSuite, StreamsSuite


class TestCheckpoints(CheckpointsSuite):
    pass


class TestLoads(LoadsSuite):
    pass


class TestStreams(StreamsSuite):
    pass


class TestEngineStore(EngineStoreSuite):
    pass


class TestConnectors(ConnectorRepositoryContract):
    pass


class TestTasks(TaskRepositoryContract):
    pass


class TestExecutions(ExecutionRepositoryContract):
    pass


class TestFigures(FiguresContract):
    pass


class TestCharts(ChartsContract):
    pass


class TestRollups(RollupsContract):
    pass
