"""One task writes a target: the marker that says which."""

from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.manifest import OwnerMarker, decode, encode
from dtaas.connectors.lake.objects import ObjectStore, PreconditionFailedError
from dtaas.model.errors import DestinationInUseError, OwnershipLostError
from dtaas.model.load import Owner, TargetTable


async def claim(store: ObjectStore, target: TargetTable, owner: Owner, *, take_over: bool) -> None:
    """Write `owner` into the target's marker, unless somebody else holds it.

    Raises:
        DestinationInUseError: another owner holds the target, or took it at this moment.
        OwnershipLostError: another daemon has taken the task over.
    """
    holder, etag = await _read(store, target)
    if holder is not None and not is_same(holder, owner) and not take_over:
        raise _in_use(target, holder)
    if holder == owner:
        return
    if holder is not None and is_same(holder, owner):
        refuse_older(owner.epoch, holder.epoch, target)
    marker = encode(OwnerMarker(owner=owner))
    try:
        await store.put(Layout(target).owner, marker, absent=etag is None, etag=etag)
    except PreconditionFailedError as error:
        holder, _ = await _read(store, target)  # the reply to our own write may have been lost
        if holder is None or not is_same(holder, owner):
            raise _in_use(target, holder) from error
        refuse_older(owner.epoch, holder.epoch, target)


async def check(store: ObjectStore, target: TargetTable, owner: Owner) -> None:
    """Raise OwnershipLostError when another daemon has claimed the target for the task since."""
    holder, _ = await _read(store, target)
    if holder is not None and is_same(holder, owner):
        refuse_older(owner.epoch, holder.epoch, target)


def refuse_older(mine: int, found: int, target: TargetTable) -> None:
    """Raise OwnershipLostError when the target was written by a later owner of the task."""
    if mine < found:
        raise OwnershipLostError(
            f"{target} belongs to a later owner of the task (epoch {found}, ours is {mine}).",
            hint="Another daemon has taken the task over; nothing needs to be done.",
        )


async def release(store: ObjectStore, target: TargetTable, owner: Owner) -> None:
    """Free the marker if `owner` holds it."""
    holder, etag = await _read(store, target)
    if holder is None or etag is None or not is_same(holder, owner):
        return
    try:
        await store.put(Layout(target).owner, encode(OwnerMarker(owner=None)), etag=etag)
    except PreconditionFailedError:
        return  # taken over meanwhile, or our write went through: not ours either way


def is_same(a: Owner, b: Owner) -> bool:
    """Return whether two owners are one task; its name may change."""
    return (a.installation, a.task_id) == (b.installation, b.task_id)


async def owner_of(store: ObjectStore, target: TargetTable) -> Owner | None:
    """Return who writes a target, None when nobody does."""
    return (await _read(store, target))[0]


async def _read(store: ObjectStore, target: TargetTable) -> tuple[Owner | None, str | None]:
    """Return the holder and the marker's etag, None when there is no marker."""
    key = Layout(target).owner
    found = await store.get(key)
    if found is None:
        return None, None
    return decode(found.data, OwnerMarker, key).owner, found.etag


def _in_use(target: TargetTable, holder: Owner | None) -> DestinationInUseError:
    who = (
        f"task {holder.task_name!r} (id {holder.task_id}) of installation {holder.installation}"
        if holder is not None
        else "another task that took it at the same moment"
    )
    return DestinationInUseError(
        f"{target} is written by {who}.",
        hint="Choose another target, delete that task, or set take_over once.",
    )
