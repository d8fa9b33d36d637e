"""Where a stream goes on: what the metadata store and the target itself say of its position."""

from msgspec.structs import replace

from dtaas.model.changes import ChangeWindow, StreamState


def standing(state: StreamState, held: bytes | None) -> StreamState:
    """Return where a stream goes on, given the position its target holds.

    The target decides. What it holds beyond ours is done (a crash between its commit and our note,
    or a metadata store restored from a backup); what it lost is done again. Only the way from the
    last window to a later position, on which nothing changed, is ours alone to know.
    """
    there = state.stream.base if held is None else held
    if there == state.applied:
        return state
    position = max(there, state.position) if there > state.applied else there
    return replace(
        state, position=position, applied=there, intent=_redone(state.intent, position, there)
    )


def _redone(intent: ChangeWindow | None, position: bytes, there: bytes) -> ChangeWindow | None:
    """Return the window that begins at `position` and was intended; None where it is to be cut.

    The first window of a newer capture instance alone brings what the older one missed, so it is
    never given up before the target holds it: it begins where the target stands instead.
    """
    if intent is None or intent.to <= there:
        return None
    if intent.after == position:
        return intent
    if intent.missed is None:
        return None
    return replace(intent, after=position, expected_rows=None)
