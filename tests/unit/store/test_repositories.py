"""The repositories keep their promises on SQLite."""

from tests.contract.charts import ChartsContract
from tests.contract.repositories import (
    ConnectorRepositoryContract,
    ExecutionRepositoryContract,
    FiguresContract,
    TaskRepositoryContract,
)
from tests.contract.rollups import RollupsContract


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
