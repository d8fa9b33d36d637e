"""Statements about the session, its transaction, and databases and schemas."""

import re
from datetime import UTC, datetime

from dtaas.sandbox.snowflake.engine import answer
from dtaas.sandbox.snowflake.engine.answer import Answer, texts
from dtaas.sandbox.snowflake.engine.errors import StatementError, exists, missing, unsupported
from dtaas.sandbox.snowflake.engine.names import fold, parts, quoted
from dtaas.sandbox.snowflake.engine.options import read_options, split, unquoted
from dtaas.sandbox.snowflake.engine.session import Session
from dtaas.sandbox.snowflake.engine.transactions import definition


def begin(session: Session, found: re.Match[str]) -> Answer:
    """BEGIN [WORK | TRANSACTION] [NAME x]; a second one changes nothing."""
    session.begin(fold(found["name"]) if found["name"] else "")
    return answer.done(answer.TCL)


def commit(session: Session, _found: re.Match[str]) -> Answer:
    """COMMIT [WORK]; nothing outside of a transaction."""
    session.commit()
    return answer.done(answer.TCL)


def rollback(session: Session, _found: re.Match[str]) -> Answer:
    """ROLLBACK [WORK]; nothing outside of a transaction."""
    session.rollback()
    return answer.done(answer.TCL)


def alter_session(session: Session, found: re.Match[str]) -> Answer:
    """ALTER SESSION SET name = value … | UNSET name, …."""
    if found["verb"].upper() == "SET":
        given = {name: unquoted(value) for name, value in read_options(found["rest"]).items()}
        if given.get("AUTOCOMMIT", "").lower() == "true":
            session.commit()
        session.set_parameters(given)
    else:
        for name in split(found["rest"]):
            session.parameters.pop(name.upper(), None)
    return answer.done(answer.SCL)


def use(session: Session, found: re.Match[str]) -> Answer:
    """USE [DATABASE | SCHEMA | WAREHOUSE | ROLE] name."""
    kind = (found["kind"] or "").upper()
    names = parts(found["name"])
    if kind == "WAREHOUSE":
        session.warehouse = names[-1]
    elif kind == "ROLE":
        session.role = names[-1]
    elif kind == "SCHEMA" or len(names) > 1:
        session.use(names[-2] if len(names) > 1 else session.database, names[-1])
    else:
        session.use(names[0], None)
    return answer.done(answer.SCL)


def create_database(session: Session, found: re.Match[str]) -> Answer:
    """CREATE [OR REPLACE] [TRANSIENT] DATABASE [IF NOT EXISTS] name …."""
    name = fold(found["name"])
    session.commit()
    if found["replace"] and name in session.store.databases():
        session.forget_current(name)
        session.store.drop_database(name)
    new = session.store.create_database(name, if_not_exists=bool(found["exists"]))
    if new:
        session.use(name, "PUBLIC")
        return answer.done(answer.DDL, f"Database {name} successfully created.")
    return answer.done(answer.DDL, f"{name} already exists, statement succeeded.")


def drop_database(session: Session, found: re.Match[str]) -> Answer:
    """DROP DATABASE [IF EXISTS] name."""
    name = fold(found["name"])
    session.commit()
    if name in session.store.databases():
        session.forget_current(name)
        session.store.drop_database(name)
    elif not found["exists"]:
        raise missing("Database", name)
    return answer.done(answer.DDL, f"{name} successfully dropped.")


def create_schema(session: Session, found: re.Match[str]) -> Answer:
    """CREATE [OR REPLACE] [TRANSIENT] SCHEMA [IF NOT EXISTS] name …."""
    database, schema = _schema_name(session, found["name"])
    full = f"{quoted(database)}.{quoted(schema)}"
    with definition(session):
        there = schema in session.store.schemas(database)
        if there and found["exists"]:
            return answer.done(answer.DDL, f"{schema} already exists, statement succeeded.")
        if there and not found["replace"]:
            raise exists(f"{database}.{schema}")
        if there:
            session.duck.execute(f"DROP SCHEMA {full} CASCADE")
        session.duck.execute(f"CREATE SCHEMA {full}")
    session.use(database, schema)
    return answer.done(answer.DDL, f"Schema {schema} successfully created.")


def drop_schema(session: Session, found: re.Match[str]) -> Answer:
    """DROP SCHEMA [IF EXISTS] name [CASCADE | RESTRICT]."""
    database, schema = _schema_name(session, found["name"])
    if schema not in session.store.schemas(database):
        if found["exists"]:
            return answer.done(answer.DDL, f"{schema} already dropped.")
        raise missing("Schema", f"{database}.{schema}")
    session.forget_current(database, schema)
    with definition(session):
        session.duck.execute(f"DROP SCHEMA {quoted(database)}.{quoted(schema)} CASCADE")
        session.duck.execute(
            f"DELETE FROM {quoted(database)}._fs_information_schema._fs_load_history "
            "WHERE SCHEMA_NAME = ?",
            [schema],
        )
    session.store.stages.drop_all(database, schema)
    session.store.formats.drop_all(database, schema)
    return answer.done(answer.DDL, f"{schema} successfully dropped.")


def _schema_name(session: Session, text: str) -> tuple[str, str]:
    names = parts(text)
    database = names[-2] if len(names) > 1 else session.database
    if database is None or database not in session.store.databases():
        raise missing("Database", str(database))
    return database, names[-1]


def accept(_session: Session, _found: re.Match[str]) -> Answer:
    """Accept what an account needs and the emulator has no use for: grants, warehouses, roles."""
    return answer.done(answer.DDL)


def show_parameters(session: Session, found: re.Match[str]) -> Answer:
    """SHOW PARAMETERS [LIKE '…'] [IN SESSION]: those that were set, and the lock time-out."""
    known = {"LOCK_TIMEOUT": "43200", "TIMEZONE": "UTC", "AUTOCOMMIT": "true"}
    values = {**known, **session.parameters}
    if found["like"]:
        like = unquoted(found["like"]).replace("%", ".*").replace("_", ".")
        values = {k: v for k, v in values.items() if re.fullmatch(like, k, re.IGNORECASE)}
    names = sorted(values)
    return texts(
        answer.SHOW,
        {
            "key": list(names),
            "value": [values[name] for name in names],
            "default": [known.get(name, "") for name in names],
            "level": ["SESSION" if name in session.parameters else "" for name in names],
            "description": [""] * len(names),
            "type": ["STRING"] * len(names),
        },
    )


def show_warehouses(session: Session, found: re.Match[str]) -> Answer:
    """SHOW WAREHOUSES [LIKE '…']: the session's own, which is X-Small; no other is known."""
    like = unquoted(found["like"]).replace("%", ".*").replace("_", ".") if found["like"] else ".*"
    name = session.warehouse or ""
    names = [name] if name and re.fullmatch(like, name, re.IGNORECASE) else []
    fixed = {"state": "STARTED", "type": "STANDARD", "size": "X-Small", "auto_suspend": "60"}
    return texts(
        answer.SHOW, {"name": names} | {key: [value] * len(names) for key, value in fixed.items()}
    )


def show_transactions(session: Session, _found: re.Match[str]) -> Answer:
    """SHOW TRANSACTIONS [IN ACCOUNT]: the open ones, of every session."""
    found = [other for other in session.store.sessions.values() if other.transaction is not None]
    began = [datetime.fromtimestamp(other.transaction_began, UTC) for other in found]
    return texts(
        answer.SHOW,
        {
            "id": [str(other.transaction) for other in found],
            "user": [other.user for other in found],
            "session": [str(other.id) for other in found],
            "name": [other.transaction_name for other in found],
            "started_on": [moment.isoformat() for moment in began],
            "state": ["running"] * len(found),
            "scope": ["0"] * len(found),
        },
    )


def show_locks(session: Session, _found: re.Match[str]) -> Answer:
    """SHOW LOCKS [IN ACCOUNT]: tables, who holds them and who waits for them."""
    held, waiting = session.store.locks.held(), session.store.locks.waiting()
    rows = [(table, owner, "HOLDING") for table, owner in held.items()]
    rows += [(table, owner, "WAITING") for owner, table in waiting.items()]
    return texts(
        answer.SHOW,
        {
            "resource": [table for table, _owner, _status in rows],
            "type": ["PARTITIONS"] * len(rows),
            "session": [str(owner) for _table, owner, _status in rows],
            "status": [status for _table, _owner, status in rows],
        },
    )


def abort_transaction(session: Session, found: re.Match[str]) -> Answer:
    """SELECT SYSTEM$ABORT_TRANSACTION(id): undo the transaction of any session."""
    number = int(found["id"])
    holders = [other for other in session.store.sessions.values() if other.transaction == number]
    if not holders:
        raise StatementError(1041, "02000", f"Transaction {number} does not exist.")
    (other,) = holders
    if other is session:
        session.rollback()
    else:
        other.cancel()
        with other.lock:
            if other.transaction == number:
                other.rollback()
    return texts(answer.SELECT, {"SYSTEM$ABORT_TRANSACTION": ["Transaction aborted."]})


def system_function(_session: Session, found: re.Match[str]) -> Answer:
    """Refuse the other functions of the system."""
    raise unsupported(f"SYSTEM${found['name'].upper()}")
