"""Other types for columns, by rule rather than one by one. Pure."""

from typing import Annotated

from msgspec import Meta, Struct

from dtaas.model.patterns import Pattern
from dtaas.model.transformations import OnError, OnErrorField, TypeText


class ColumnTypeRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another type for some columns of a table.

    Attributes:
        columns: patterns of the source's names.
        source_types: patterns of the type, as the source writes it (`money`, `nvarchar(*)`) or as
            we do (`decimal(19,4)`, `string(*)`).
        data_type: the type they arrive with.
    """

    columns: Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=1000)] = ("*",)
    source_types: Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=100)] = ("*",)
    data_type: TypeText
    on_error: OnErrorField = OnError.FAIL


class TypeRule(ColumnTypeRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another type for some columns of some tables."""

    tables: Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=1000)] = ("*",)
