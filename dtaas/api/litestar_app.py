"""Litestar without what it loads for libraries that we do not use."""

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class Application(Litestar):
    """Knows msgspec only.

    Litestar would import pydantic, both of its generations, wherever any other package brought it:
    13 MB of a process that bounds its memory. Should a later Litestar name its method otherwise, no
    more than these come back.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]
