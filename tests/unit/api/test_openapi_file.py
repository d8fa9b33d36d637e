"""The committed OpenAPI document is the one the API serves."""

from pathlib import Path

from dtaas.api.document import openapi_document

FILE = Path(__file__).parents[3] / "config" / "openapi.json"


def test_the_committed_document_is_current():
    assert FILE.read_text() == openapi_document() + "\n", (
        "run: dtaas openapi --output config/openapi.json"
    )
