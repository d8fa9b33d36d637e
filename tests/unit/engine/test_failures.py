"""Which of several errors explains what happened."""

import pytest
from anyio import BrokenResourceError, create_memory_object_stream, create_task_group

from dtaas.engine.failures import InternalError, explain
from dtaas.model.errors import AuthenticationError, ConnectionLostError


def test_one_of_ours_explains_itself():
    error = ConnectionLostError("gone")
    assert explain(ExceptionGroup("g", [ExceptionGroup("h", [error])])) is error


def test_the_gravest_wins():
    fatal = AuthenticationError("no")
    group = ExceptionGroup("g", [ConnectionLostError("gone"), fatal, ValueError("?")])
    assert explain(group) is fatal


def test_the_echo_of_a_dead_neighbour_is_not_the_cause():
    error = ConnectionLostError("gone")
    assert explain(ExceptionGroup("g", [BrokenResourceError(), error])) is error


def test_a_foreign_error_is_a_bug_with_its_text():
    error = explain(ValueError("odd value"))
    assert isinstance(error, InternalError)
    assert "ValueError: odd value" in error.detail


async def test_a_stage_that_dies_leaves_its_own_error():
    send, receive = create_memory_object_stream[int](0)

    async def produce() -> None:
        async with send:
            while True:
                await send.send(1)

    async def consume() -> None:
        async with receive:
            await receive.receive()
            raise ConnectionLostError("the destination went away")

    with pytest.raises(ExceptionGroup) as caught:
        async with create_task_group() as group:
            group.start_soon(produce)
            group.start_soon(consume)
    assert explain(caught.value).code == "connection_lost"
