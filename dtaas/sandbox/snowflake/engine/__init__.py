"""The SQL of the emulated Snowflake. Importing any of it makes fakesnow importable.

fakesnow 0.12 imports two modules that connector 5 no longer has. It needs them only to run inside
of the client's process, which this emulator never does, so empty ones stand in.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Final

import snowflake.connector

_MISSING: Final = {"converter": "SnowflakeConverter", "file_util": "SnowflakeFileUtil"}


def _stand_in() -> None:
    for name, member in _MISSING.items():
        full_name = f"snowflake.connector.{name}"
        if full_name in sys.modules or find_spec(full_name) is not None:
            continue
        module = ModuleType(full_name)
        setattr(module, member, type(member, (), {}))
        sys.modules[full_name] = module
        setattr(snowflake.connector, name, module)


_stand_in()
