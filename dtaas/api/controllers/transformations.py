"""`/api/transformations/`: what may be done to rows on their way."""

import inspect
from functools import cache
from typing import Any, Final

import msgspec
from litestar import Controller, get
from msgspec import Struct

from dtaas.model.transformations import TRANSFORMATIONS, Transformation
from dtaas.model.type_text import TYPE_WORDS
from dtaas.transforms.functions.catalogue import all_functions

_GROUPS: Final = {
    "add_column": "columns",
    "rename_column": "columns",
    "drop_column": "columns",
    "concatenate_columns": "columns",
    "split_column": "columns",
    "filter_rows": "rows",
    "cast_type": "values",
    "replace_value": "values",
    "apply_function": "values",
}


class TransformationType(Struct, frozen=True, kw_only=True):
    """One kind of step.

    Attributes:
        config_schema: JSON Schema of the step.
    """

    type: str
    title: str
    group: str
    description: str
    config_schema: dict[str, Any]


class TransformationFunction(Struct, frozen=True, kw_only=True):
    """A function that `apply_function` and expressions know.

    Attributes:
        takes: types of columns.
        arguments: JSON Schema of the arguments beside the column, in the order expressions give
            them.
    """

    name: str
    group: str
    description: str
    takes: tuple[str, ...]
    arguments: dict[str, Any]


class TransformationCatalogue(Struct, frozen=True, kw_only=True):
    """Everything there is.

    Attributes:
        data_types: how types are written.
    """

    items: tuple[TransformationType, ...]
    functions: tuple[TransformationFunction, ...]
    data_types: str


class TransformationController(Controller):
    """The catalogue of transformations."""

    path = "/api/transformations"
    tags = ("Tasks",)

    @get("/types", summary="List transformations", sync_to_thread=False)
    def types(self) -> TransformationCatalogue:
        """Kinds of steps with the JSON Schema of each, and the functions of the catalogue.

        Functions that installed packages bring by the entry point group `dtaas.functions` are
        among them.
        """
        return catalogue()


@cache
def catalogue() -> TransformationCatalogue:
    """Return the catalogue of this process."""
    return TransformationCatalogue(
        items=tuple(map(_type, TRANSFORMATIONS)),
        functions=tuple(
            TransformationFunction(
                name=f.name,
                group=f.group,
                description=f.description,
                takes=tuple(str(kind.__struct_config__.tag) for kind in f.takes),  # type: ignore[attr-defined]
                arguments=f.schema(),
            )
            for f in all_functions()
        ),
        data_types=TYPE_WORDS,
    )


def _type(kind: type[Transformation]) -> TransformationType:
    name = str(kind.__struct_config__.tag)
    title = name.replace("_", " ")
    return TransformationType(
        type=name,
        title=title[:1].upper() + title[1:],
        group=_GROUPS[name],
        description=inspect.getdoc(kind) or "",
        config_schema=msgspec.json.schema(kind),
    )
