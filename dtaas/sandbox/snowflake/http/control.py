"""Routes of the sandbox itself, which no Snowflake has: faults, users, the log of statements."""

import os
import re
from typing import Any

import msgspec

from dtaas.sandbox.snowflake.account import Account
from dtaas.sandbox.snowflake.credentials import User
from dtaas.sandbox.snowflake.engine.names import quoted
from dtaas.sandbox.snowflake.faults import Fault
from dtaas.sandbox.snowflake.http.asgi import Reply, Request, reply

ROOT = "/control/"


class Control:
    """What `/control/…` answers, to anybody on this machine."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def serve(self, request: Request) -> Reply:
        """Answer one request; a bad one with 400 and the reason."""
        name = request.path.removeprefix(ROOT)
        asked = await request.json() if request.method == "POST" else None
        readers = {
            "log": self._log,
            "sessions": self._sessions,
            "faults": self._faults,
            "locks": self._locks,
        }
        writers = {
            "faults": self._add_faults,
            "users": self._users,
            "clear": self._clear,
            "expire": self._expire,
            "validity": self._validity,
            "database": self._database,
            "kill": self._kill,
        }
        handler = (readers if request.method == "GET" else writers).get(name)
        if handler is None:
            return reply({"error": f"no {request.method} {request.path}"}, 404)
        try:
            return reply(handler(asked))
        except (msgspec.ValidationError, re.error, KeyError, TypeError, ValueError) as error:
            return reply({"error": str(error)}, 400)

    def _log(self, _asked: Any) -> Any:
        return list(self._account.log)

    def _sessions(self, _asked: Any) -> Any:
        return self._account.described()

    def _faults(self, _asked: Any) -> Any:
        return self._account.faults.waiting

    def _locks(self, _asked: Any) -> Any:
        return self._account.store.locks.held()

    def _add_faults(self, asked: Any) -> Any:
        self._account.faults.add(msgspec.convert(asked, list[Fault]))
        return {}

    def _users(self, asked: Any) -> Any:
        self._account.users.put(msgspec.convert(asked, dict[str, User]))
        return {}

    def _clear(self, _asked: Any) -> Any:
        self._account.faults.clear()
        self._account.log.clear()
        return {}

    def _expire(self, asked: Any) -> Any:
        self._account.logins.expire(master=bool(asked.get("master")))
        return {}

    def _validity(self, asked: Any) -> Any:
        self._account.logins.session_valid_s = float(asked["session_s"])
        self._account.logins.master_valid_s = float(asked["master_s"])
        return {}

    def _database(self, asked: Any) -> Any:
        name = str(asked["name"]).upper()
        self._account.store.create_database(name, if_not_exists=True)
        schema = str(asked.get("schema") or "PUBLIC")
        with self._account.store.connect() as duck:
            duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}.{quoted(schema)}")
        return {}

    def _kill(self, _asked: Any) -> Any:
        os._exit(137)
