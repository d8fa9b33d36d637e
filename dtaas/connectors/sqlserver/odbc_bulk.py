"""arrow-odbc, which reads tables in bulk where the native reader cannot.

It takes 50 ms to import and five megabytes, with a parser of C headers. So it is imported where
such a table is read, in the session's thread.
"""

from dtaas.connectors.sqlserver.odbc import SYSTEM_LIBRARIES_HINT
from dtaas.model.errors import DriverMissingError

try:
    import arrow_odbc
except (ImportError, OSError) as exc:
    raise DriverMissingError(
        f"The ODBC libraries cannot be loaded: {exc}.", hint=SYSTEM_LIBRARIES_HINT
    ) from exc

__all__ = ["arrow_odbc"]
