"""SQL Server's errors about transactions.

Source: Microsoft Learn, "Database engine events and errors".
"""

from dtaas.sandbox.sqlserver.results import SqlError


def commit_without_begin() -> SqlError:
    """Return error 3902."""
    return SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")


def rollback_without_begin() -> SqlError:
    """Return error 3903."""
    return SqlError(
        3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."
    )


def save_without_begin() -> SqlError:
    """Return error 628."""
    return SqlError(
        628, "Cannot issue SAVE TRANSACTION when there is no active transaction.", state=0
    )


def unknown_savepoint(name: str) -> SqlError:
    """Return error 6401."""
    return SqlError(
        6401, f"Cannot roll back {name}. No transaction or savepoint of that name was found."
    )


def doomed() -> SqlError:
    """Return error 3930: a doomed transaction allows reads only."""
    return SqlError(
        3930,
        "The current transaction cannot be committed and cannot support operations that write to "
        "the log file. Roll back the transaction.",
    )


def doomed_to_savepoint() -> SqlError:
    """Return error 3931."""
    return SqlError(
        3931,
        "The current transaction cannot be committed and cannot be rolled back to a savepoint. "
        "Roll back the entire transaction.",
    )


def doomed_at_end() -> SqlError:
    """Return error 3998: a batch left a doomed transaction behind."""
    return SqlError(
        3998,
        "Uncommittable transaction is detected at the end of the batch. The transaction is rolled "
        "back.",
    )


def count_mismatch(before: int, after: int) -> SqlError:
    """Return error 266: a procedure or dynamic batch left another @@TRANCOUNT."""
    return SqlError(
        266,
        "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT "
        f"statements. Previous count = {before}, current count = {after}.",
        state=2,
    )
