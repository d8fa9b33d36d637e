"""Tables that were found by pattern: the daemon's knowledge, not what a user writes down."""

from msgspec.structs import replace

from dtaas.model.task import TaskSpec


def keep_found(old: TaskSpec | None, new: TaskSpec) -> TaskSpec:
    """Return a specification with the tables found so far, whatever the user says they are.

    Other patterns, or another source, find them anew when the task starts.
    """
    if not new.table_rules.include:
        return new
    same = (
        old is not None
        and (old.table_rules.include, old.table_rules.exclude)
        == (new.table_rules.include, new.table_rules.exclude)
        and old.source_connector_id == new.source_connector_id
    )
    return replace(new, source_tables=old.source_tables if old is not None and same else ())
