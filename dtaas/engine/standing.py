"""Where a stream goes on: what the metadata store and the target itself say of its position."""

from msgspec.structs import replace

from dtaas.model.changes import StreamState


def standing(state: StreamState, held: bytes | None) -> StreamState:
    """Return where a stream goes on, given the position its target holds.

    The target decides. What it holds beyond ours is done (a crash between its commit and our note,
    or a metadata store restored from a backup); what it lost is done again. Only the way from the
    last window to a later position, on which nothing changed, is ours alone to know.
    """
    there = state.stream.base if held is None else held
    if there == state.applied:
        return state
    intent = state.intent if state.intent is not None and state.intent.after == there else None
    position = max(there, state.position) if there > state.applied else there
    if there > state.applied and state.intent is not None and state.intent.to == there:
        intent = None
    return replace(state, position=position, applied=there, intent=intent)
