"""pyodbc, or a clear error when its system library is missing.

It runs catalog and control queries (through aioodbc), for it reports SQL Server's error numbers.
"""

import locale
from contextlib import suppress

from dtaas.model.errors import DriverMissingError

SYSTEM_LIBRARIES_HINT = (
    "Install the system libraries of the ODBC driver: "
    "apt-get install unixodbc libltdl7 libgssapi-krb5-2"
)

try:
    import aioodbc
    import pyodbc
except (ImportError, OSError) as exc:
    raise DriverMissingError(
        f"The ODBC libraries cannot be loaded: {exc}.", hint=SYSTEM_LIBRARIES_HINT
    ) from exc

# A pooled session keeps its isolation level and locks: a snapshot level left on one fails the
# next user with error 3952. Ours are made, used and closed.
pyodbc.pooling = False

# arrow-odbc's text (passwords, names of databases) is decoded by the process's locale. Where that
# is not UTF-8, as under LC_ALL=C, a login with other than ASCII characters would be refused.
if locale.nl_langinfo(locale.CODESET) != "UTF-8":
    with suppress(locale.Error):  # a system without this locale: ASCII names still work
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")

__all__ = ["SYSTEM_LIBRARIES_HINT", "aioodbc", "pyodbc"]
