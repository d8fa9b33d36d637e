"""The OpenAPI document, without a daemon."""

from inspect import cleandoc
from typing import Any

import msgspec

from dtaas.api.app import application
from dtaas.api.openapi import completed
from dtaas.services.services import Services
from dtaas.settings import ApiSettings


def openapi_document() -> str:
    """Return the OpenAPI 3.1 document of the API as JSON, the same text for the same version."""
    app = application(dict.fromkeys(Services.__struct_fields__), ApiSettings())
    plain = msgspec.json.encode(completed(app.openapi_schema.to_schema()), order="sorted")
    document = _dedented(msgspec.json.decode(plain))
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _dedented(node: Any) -> Any:
    """Return a document whose descriptions are not indented, as Python 3.13 keeps docstrings."""
    match node:
        case dict():
            return {
                key: cleandoc(value)
                if key == "description" and isinstance(value, str)
                else _dedented(value)
                for key, value in node.items()
            }
        case list():
            return [_dedented(value) for value in node]
        case _:
            return node
