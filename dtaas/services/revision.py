"""Which version of a task somebody read: two people must not overwrite each other unseen."""

from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from dtaas.model.errors import RevisionConflictError
from dtaas.model.task import Task, TaskSpec


def revision_of(spec: TaskSpec) -> str:
    """Return a text that changes whenever what was written down does: 16 hex digits."""
    if spec.table_rules.include:  # a start that finds other tables is nobody's change
        spec = replace(spec, source_tables=())
    return blake2b(msgspec.json.encode(spec), digest_size=8).hexdigest()


def check_revision(task: Task, expected: str | None) -> None:
    """Refuse a change made to another version than the stored one.

    Args:
        expected: the revision that was read, None for whoever does not care.

    Raises:
        RevisionConflictError: somebody changed the task meanwhile.
    """
    if expected is not None and expected != revision_of(task.spec):
        raise RevisionConflictError(
            f"Task {task.spec.name!r} was changed by somebody else meanwhile.",
            hint="Read it again, compare, and save once more.",
        )
