"""What each driver makes of the same answers; each function runs in a process of its own.

mssql-python holds the interpreter lock while it waits for the server, so a server in the same
process could never answer it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import arrow_odbc
import connectorx
import mssql_python
import pymssql
import pytds
from msgspec import Struct

from tests.fakes.scripted_server import PASSWORD, USER


class Seen(Struct, frozen=True, kw_only=True):
    """What a driver reported.

    Attributes:
        rows: of `types`, as the driver's own Python values.
        error: text of the exception of `fails`.
        large_rows: rows of `large`.
        echoed: what came back for the parameters 5 and 'aé'; None where it takes none.
        after: value of a query after the error.
    """

    rows: list[Any]
    error: str
    large_rows: int
    echoed: list[Any] | None
    after: int


def odbc_text(port: int, encrypt: str) -> str:
    secret = "{" + PASSWORD.replace("}", "}}") + "}"
    return (
        f"Server=127.0.0.1,{port};Database=testdb;UID={USER};PWD={secret};Encrypt={encrypt};"
        "TrustServerCertificate=yes"
    )


def error_of(action: Callable[[], Any]) -> str:
    try:
        action()
    except Exception as exc:  # noqa: BLE001 - every driver has its own base class
        return str(exc)
    return ""


def through_mssql_python(port: int, encrypt: str, _driver: str) -> Seen:
    with closing(mssql_python.connect(odbc_text(port, encrypt), autocommit=True)) as connection:
        cursor = connection.cursor()
        return Seen(
            rows=[tuple(row) for row in cursor.execute("types").fetchall()],
            error=error_of(lambda: cursor.execute("fails")),
            large_rows=sum(b.num_rows for b in cursor.execute("large").arrow_reader()),
            echoed=list(cursor.execute("echo ?, ?", 5, "aé").fetchall()[0]),
            after=cursor.execute("one").fetchall()[0][0],
        )


def twice_through_a_pool(port: int) -> list[int]:
    """Take a connection from mssql-python's pool, give it back, take it again."""
    found = []
    for value in (1, 2):
        with closing(mssql_python.connect(odbc_text(port, "yes"), autocommit=False)) as connection:
            found.append(connection.cursor().execute("echo ?", value).fetchval())
    return found


def through_arrow_odbc(port: int, encrypt: str, driver: str) -> Seen:
    connection = arrow_odbc.connect(f"Driver={driver};{odbc_text(port, encrypt)}")

    def read(query: str, parameters: list[str | None] | None = None) -> Iterator[Any]:
        reader = connection.read_arrow_batches(
            query, batch_size=10_000, parameters=parameters, max_text_size=16_000
        )
        return iter(reader)

    return Seen(
        rows=[tuple(row.values()) for batch in read("types") for row in batch.to_pylist()],
        error=error_of(lambda: read("fails")),
        large_rows=sum(batch.num_rows for batch in read("large")),
        echoed=[*next(read("echo ?, ?", ["5", "aé"])).to_pylist()[0].values()],
        after=next(read("one")).to_pylist()[0]["n"],
    )


def through_pymssql(port: int, encrypt: str, _driver: str) -> Seen:
    with closing(
        pymssql.connect(
            server="127.0.0.1",
            port=str(port),
            user=USER,
            password=PASSWORD,
            database="testdb",
            encryption={"yes": "require", "no": "off"}[encrypt],
            login_timeout=10,
            timeout=20,
            autocommit=True,
        )
    ) as connection:
        cursor = connection.cursor()

        def query(text: str) -> list[Any]:
            cursor.execute(text)
            return cursor.fetchall()

        return Seen(
            rows=query("types"),
            error=error_of(lambda: query("fails")),
            large_rows=len(query("large")),
            echoed=None,
            after=query("one")[0][0],
        )


@contextmanager
def _pytds(port: int) -> Iterator[Any]:
    connection = pytds.connect(
        dsn="127.0.0.1",
        port=port,
        user=USER,
        password=PASSWORD,
        database="testdb",
        login_timeout=10,
        timeout=20,
        autocommit=True,
    )
    with closing(connection), closing(connection.cursor()) as cursor:
        yield cursor


def through_pytds(port: int, _encrypt: str, _driver: str) -> Seen:
    with _pytds(port) as cursor:

        def query(text: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
            cursor.execute(text, parameters)
            return cursor.fetchall()

        return Seen(
            rows=query("types"),
            error=error_of(lambda: query("fails")),
            large_rows=len(query("large")),
            echoed=list(query("echo %s, %s", (5, "aé"))[0]),
            after=query("one")[0][0],
        )


def through_connectorx(port: int, encrypt: str, _driver: str) -> Seen:
    host = f"mssql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/testdb"
    wish = {"yes": "true", "no": "false"}[encrypt]
    url = f"{host}?encrypt={wish}&trust_server_certificate=true"

    def query(text: str) -> Any:
        return connectorx.read_sql(url, text, return_type="arrow", protocol="binary")

    return Seen(
        rows=[tuple(row.values()) for row in query("SELECT types").to_pylist()],
        error=error_of(lambda: query("SELECT fails")),
        large_rows=query("SELECT large").num_rows,
        echoed=None,
        after=query("SELECT one").to_pylist()[0]["n"],
    )


def outputs_through_pytds(port: int) -> tuple[list[Any], int | None]:
    """Call a procedure with two output parameters; return all values and the return code."""
    with _pytds(port) as cursor:
        outputs = (
            pytds.output(param_type="int"),
            pytds.output(param_type="nvarchar(20)", value="in"),
        )
        returned = cursor.callproc("dbo.p", (1, *outputs))
        return list(returned), cursor.get_proc_return_status()


def outputs_through_pymssql(port: int) -> tuple[list[Any], int | None]:
    """The same."""
    with closing(
        pymssql.connect(
            server="127.0.0.1",
            port=str(port),
            user=USER,
            password=PASSWORD,
            database="testdb",
            autocommit=True,
        )
    ) as connection:
        cursor = connection.cursor()
        returned = cursor.callproc("dbo.p", (1, pymssql.output(int), pymssql.output(str, "in")))
        return list(returned), cursor.returnvalue
