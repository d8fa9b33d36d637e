"""The nine transformations over the bench's table, one of each kind: the chain that is timed."""

from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    ConcatenateColumns,
    DropColumn,
    FilterRows,
    Match,
    RenameColumn,
    ReplaceValue,
    SplitColumn,
    Transformation,
)

CHAIN: tuple[Transformation, ...] = (
    FilterRows(condition="customer > 100"),
    DropColumn(columns=("ref",)),
    AddColumn(column="gross", expression="weight * 1.19e0"),
    RenameColumn(column="amount", to="net"),
    CastType(column="customer", data_type="bigint"),
    ReplaceValue(column="name", match=Match.NULL, replacement="nobody"),
    ConcatenateColumns(columns=("name", "note"), to="words", separator=" - "),
    SplitColumn(column="note", into=("kind", "rest"), delimiter=" ", drop_source=True),
    ApplyFunction(column="name", function="upper"),
)
HASH = ApplyFunction(column="name", function="sha256", arguments={"salt": "pepper"})
