"""The type a step asks for, as text."""

from dtaas.model.type_text import parse_type
from dtaas.model.types import ColumnType
from dtaas.transforms.problems import StepError


def declared(text: str) -> ColumnType:
    """Return the type a step asks for.

    Raises:
        StepError: it is none.
    """
    try:
        return parse_type(text)
    except ValueError as error:
        raise StepError("bad_type", "data_type", str(error)) from None
