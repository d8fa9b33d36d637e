"""The store on SQLite keeps the promises of the ports."""

from tests.contract.stored import CheckpointsSuite, EngineStoreSuite, LoadsSuite


class TestCheckpoints(CheckpointsSuite):
    pass


class TestLoads(LoadsSuite):
    pass


class TestEngineStore(EngineStoreSuite):
    pass
