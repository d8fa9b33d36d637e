"""The repositories keep their promises on SQLite."""

from tests.contract.charts import ChartsContract
from tests.contract.repositories import (
    ConnectorRepositoryContract,
    ExecutionRepositoryContract,
    FiguresContract,
    TaskRepositoryContract,
)


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
