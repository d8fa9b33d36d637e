"""Results as the connector reads them: Arrow with Snowflake's metadata, or rows of texts."""

import json
from base64 import b64encode
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dtaas.sandbox.snowflake.engine.answer import COUNTED, Answer
from dtaas.sandbox.snowflake.engine.column_types import MAX_BINARY, MAX_TEXT

_NANOSECONDS: Final = 1_000_000_000
_UTC_MINUTES: Final = 1440  # an offset of zero, as the connector counts it
_TYPES: Final = {
    "BLOB": "binary",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "real",
    "FLOAT": "real",
    "JSON": "variant",
    "TIME": "time",
    "TIME_NS": "time",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP_NS": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
}


def encode(answer: Answer) -> dict[str, Any]:
    """Return the part of a reply that holds the rows."""
    row_type = [_column(*pair) for pair in zip(answer.rows.column_names, answer.types, strict=True)]
    rows = answer.rows.num_rows
    shared = {"rowtype": row_type, "total": rows, "returned": rows}
    if answer.kind in COUNTED:
        values = zip(*(column.to_pylist() for column in answer.rows.columns), strict=True)
        rowset = [[None if value is None else str(value) for value in row] for row in values]
        return {**shared, "queryResultFormat": "json", "rowset": rowset}
    arrays, fields = [], []
    for column, described in zip(answer.rows.columns, row_type, strict=True):
        array = _converted(column, described["type"])
        arrays.append(array)
        fields.append(pa.field(described["name"], array.type, metadata=_metadata(described)))
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    encoded = b64encode(sink.getvalue()).decode()
    return {**shared, "queryResultFormat": "arrow", "rowsetBase64": encoded}


def _column(name: str, duck_type: str) -> dict[str, Any]:
    kind = _TYPES.get(duck_type, "text")
    precision = scale = length = None
    if duck_type.startswith("DECIMAL"):
        kind = "fixed"
        precision, scale = (int(number) for number in duck_type[8:-1].split(","))
    elif duck_type.endswith("INT") or duck_type == "INTEGER":
        kind, precision, scale = "fixed", 38, 0
    elif kind.startswith("time"):
        precision, scale = 0, 9
    elif kind == "text":
        length = MAX_TEXT
    elif kind == "binary":
        length = MAX_BINARY
    return {
        "name": name,
        "type": kind,
        "nullable": True,
        "precision": precision,
        "scale": scale,
        "length": length,
        "byteLength": length,
        "database": "",
        "schema": "",
        "table": "",
        "collation": None,
    }


def _metadata(column: dict[str, Any]) -> dict[str, str]:
    return {
        "logicalType": column["type"].upper(),
        "precision": str(column["precision"] or 38),
        "scale": str(column["scale"] or 0),
        "charLength": str(column["length"] or 0),
    }


def _converted(column: pa.ChunkedArray, kind: str) -> pa.Array | pa.ChunkedArray:
    if kind.startswith("timestamp"):
        return _timestamps(column)
    if kind == "time":
        return column.cast(pa.time64("ns")).cast(pa.int64())
    if kind == "real":
        return column.cast(pa.float64())
    if kind == "fixed":
        decimal = pa.types.is_decimal(column.type)
        return column if decimal else column.cast(pa.int64())
    if kind in ("text", "variant"):
        return _strings(column)
    return column


def _strings(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        values = [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
        return pa.array(values, pa.string())


def _timestamps(column: pa.ChunkedArray) -> pa.Array:
    """Return seconds and nanoseconds since 1970. The connector refuses NULLs inside of them."""
    array = column.combine_chunks()
    nulls = pc.is_null(array)
    exact = array.type.unit == "ns"
    unit = _NANOSECONDS if exact else 1_000_000
    in_units = array if exact else array.cast(pa.timestamp("us", array.type.tz))
    ticks = pc.fill_null(in_units.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    seconds, rest = np.divmod(ticks, unit)
    nanoseconds = (rest * (_NANOSECONDS // unit)).astype("int32")
    arrays = [pa.array(seconds, pa.int64()), pa.array(nanoseconds, pa.int32())]
    names = [("epoch", pa.int64()), ("fraction", pa.int32())]
    if array.type.tz:
        arrays.append(pa.array(np.full(len(ticks), _UTC_MINUTES, "int32")))
        names.append(("timezone", pa.int32()))
    fields = [pa.field(name, kind, nullable=False) for name, kind in names]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=nulls)
