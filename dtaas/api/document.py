"""The OpenAPI document, without a daemon."""

import msgspec

from dtaas.api.app import application
from dtaas.api.openapi import completed
from dtaas.services.services import Services
from dtaas.settings import ApiSettings


def openapi_document() -> str:
    """Return the OpenAPI 3.1 document of the API as JSON, the same text for the same version."""
    app = application(dict.fromkeys(Services.__struct_fields__), ApiSettings())
    plain = msgspec.json.encode(completed(app.openapi_schema.to_schema()), order="sorted")
    return msgspec.json.format(plain, indent=2).decode()
