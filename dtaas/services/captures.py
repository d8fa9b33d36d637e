"""Capture instances of a source: what there is, which tasks read it, and what may be dropped."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from anyio import fail_after, move_on_after
from msgspec import Struct

from dtaas.model.captures import CaptureInstance, CaptureSurvey
from dtaas.model.change_ports import ChangeRegistry, ShowsCaptures
from dtaas.model.changes import TrackedTable
from dtaas.model.connectors import ConnectorRole
from dtaas.model.errors import InUseError, NotFoundError, RequestError, TimedOutError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.streams import Streams

_LIMIT_S: Final = 30.0
_CLOSE_LIMIT_S: Final = 10.0


class CaptureReader(Struct, frozen=True, kw_only=True):
    """A task that reads an instance."""

    task_id: TaskId
    name: str


class ReadInstance(CaptureInstance, frozen=True, kw_only=True):
    """An instance with the tasks of this installation that read it."""

    read_by: tuple[CaptureReader, ...]


class Captures(CaptureSurvey, frozen=True, kw_only=True):
    """How a source captures changes at one moment, and who reads them."""

    instances: tuple[ReadInstance, ...] = ()


class CaptureService:
    """Asks the source each time: nothing of it is kept."""

    def __init__(
        self, connectors: ConnectorRepository, streams: Streams, registry: ChangeRegistry
    ) -> None:
        self._connectors = connectors
        self._streams = streams
        self._registry = registry

    async def list(self, connector_id: ConnectorId) -> Captures:
        """Return what captures the changes of a source.

        Raises:
            NotFoundError: no such connector.
            RequestError: it is no source, or one without capture instances.
            DtaasError: whatever the source says.
        """
        async with self._opened(connector_id) as source:
            survey = await source.survey()
        readers = _by_identity(await self._streams.readers())
        instances = tuple(
            ReadInstance(**_fields(one), read_by=tuple(readers[one.identity]))
            for one in survey.instances
        )
        return Captures(**{**_fields(survey), "instances": instances})

    async def drop(self, connector_id: ConnectorId, name: str) -> None:
        """Drop an instance that we made and that no task of this installation reads.

        Raises:
            NotFoundError: no such connector or instance.
            InUseError: a task reads it.
            RequestError: it was not made by us.
        """
        async with self._opened(connector_id) as source:
            found = [one for one in (await source.survey()).instances if one.name == name]
            if not found:
                raise NotFoundError(f"There is no capture instance {name}.")
            (instance,) = found
            if not instance.made_by_us:
                raise RequestError(
                    f"Capture instance {name} was not made by a task.",
                    hint="Ask whoever made it; others may read it.",
                )
            readers = _by_identity(await self._streams.readers())[instance.identity]
            if readers:
                names = ", ".join(repr(reader.name) for reader in readers)
                raise InUseError(
                    f"Capture instance {name} is read by {names}.",
                    hint="Take the table out of the task, or delete the task, first.",
                )
            await source.drop_capture(instance)

    @asynccontextmanager
    async def _opened(self, connector_id: ConnectorId) -> AsyncIterator[ShowsCaptures]:
        connector = await self._connectors.get(connector_id)
        if connector.role is not ConnectorRole.SOURCE:
            raise RequestError(
                f"Connector {connector.name!r} is a destination; only sources capture changes."
            )
        source = self._registry.change_source(await self._registry.resolved(connector))
        try:
            if not isinstance(source, ShowsCaptures):
                raise RequestError(f"A source of type {connector.kind} has no capture instances.")
            with fail_after(_LIMIT_S):
                yield source
        except TimeoutError as exc:
            raise TimedOutError(
                f"Looking at the captures of {connector.name!r} took over {_LIMIT_S:g} s.",
                hint="Look for blocking at the source.",
            ) from exc
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await source.aclose()


def _by_identity(
    readers: Sequence[tuple[TaskId, str, TrackedTable]],
) -> Mapping[str, list[CaptureReader]]:
    found: defaultdict[str, list[CaptureReader]] = defaultdict(list)
    for task_id, name, tracked in readers:
        reader = CaptureReader(task_id=task_id, name=name)
        newer = None if tracked.successor is None else tracked.successor.tracked
        for one in (tracked, tracked.predecessor, newer):
            if one is not None:
                found[one.instance_id].append(reader)
    return found


def _fields(one: Struct) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}
