"""The parameters every list takes."""

from typing import Annotated, TypeAlias

from litestar.params import QueryParameter

from dtaas.store.page import DEFAULT_LIMIT, MAX_LIMIT

Limit: TypeAlias = Annotated[
    int, QueryParameter(ge=1, le=MAX_LIMIT, description="Most items of the answer")
]
Offset: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=2**53, description="Items of the list to pass over")
]
Sort: TypeAlias = Annotated[
    str, QueryParameter(description="Field to sort by; with - before it for the reverse order")
]
Search: TypeAlias = Annotated[
    str, QueryParameter(max_length=200, description="Text to look for, whatever the case")
]
DEFAULT = DEFAULT_LIMIT
