"""The store on SQLite keeps the promises of the ports."""

from tests.contract.stored import CheckpointsSuite, EngineStoreSuite, LoadsSuite, StreamsSuite


class TestCheckpoints(CheckpointsSuite):
    pass


class TestLoads(LoadsSuite):
    pass


class TestStreams(StreamsSuite):
    pass


class TestEngineStore(EngineStoreSuite):
    pass
