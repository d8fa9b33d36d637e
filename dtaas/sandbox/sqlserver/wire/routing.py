"""Where a server sends its clients instead of serving them."""

from msgspec import Struct

from dtaas.sandbox.sqlserver.wire.login import Login


class Route(Struct, frozen=True):
    """Another server."""

    host: str
    port: int


class Routes(Struct):
    """What the server does with clients it let in; may be changed while connections are open.

    Attributes:
        everybody: all are sent there, as a gateway of Azure SQL does.
        readers: who comes with read-only intent is sent there, as a listener of an availability
            group does.
    """

    everybody: Route | None = None
    readers: Route | None = None

    def of(self, login: Login) -> Route | None:
        """Return where a client is sent, None when it stays."""
        if login.read_only and self.readers is not None:
            return self.readers
        return self.everybody
