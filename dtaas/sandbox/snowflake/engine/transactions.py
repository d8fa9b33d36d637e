"""BEGIN, COMMIT, ROLLBACK, and the transaction a statement brings with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from dtaas.sandbox.snowflake.engine.session import Session


@contextmanager
def transaction(session: Session) -> Iterator[None]:
    """Run a change in the open transaction, else in one of its own."""
    if session.transaction is not None:
        yield
        return
    session.begin()
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    if session.autocommit:
        session.commit()


@contextmanager
def definition(session: Session) -> Iterator[None]:
    """Commit what is open, as Snowflake does before every definition; then change it alone."""
    session.commit()
    with session.store.definitions:
        session.begin()
        try:
            yield
        except BaseException:
            session.rollback()
            raise
        session.commit()
