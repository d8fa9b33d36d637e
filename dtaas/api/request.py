"""Requests decoded as strictly as they are documented."""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import ParamType
from litestar.exceptions import InternalServerException
from litestar.params import ParameterKwarg

from dtaas.api.problems import ClientGoneError, MalformedBodyError, UnsupportedMediaTypeError
from dtaas.model.errors import ValidationFailedError
from dtaas.services.refusal import refusal

_NUL: Final = b"\\u0000"


class ApiRequest(Request[Any, Any, Any]):
    """Decodes a body straight into the type its handler names.

    The framework would decode to plain data first and then convert leniently, which takes "5" for
    5 and "no" for false.
    """

    async def json(self) -> Any:
        """Return the body as the handler's `data` type.

        Raises:
            UnsupportedMediaTypeError: it is not declared as JSON.
            MalformedBodyError: it is not JSON.
            ValidationFailedError: it has another shape; with the path of the first mistake.
        """
        if self.content_type[0] != "application/json":
            raise UnsupportedMediaTypeError(
                "The body must be JSON.", hint="Send Content-Type: application/json."
            )
        body = await self.body()
        try:
            if _NUL in body:  # databases keep no such text
                raise ValidationFailedError("The body holds the character U+0000.", field="$")
            data = self.route_handler.parsed_data_field
            return msgspec.json.decode(body, type=data.annotation if data else Any)
        except msgspec.ValidationError as exc:
            raise refusal(exc) from exc
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise MalformedBodyError(
                f"The body is not valid JSON: {exc}.", hint="Send UTF-8 JSON (RFC 8259)."
            ) from exc

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            ClientGoneError: the client left in the middle of it.
        """
        try:
            return await super().body()
        except InternalServerException as exc:
            raise ClientGoneError("The client left before its request was whole.") from exc


ANY_QUERY: Final = "any_query"
"""In a route's `opt`: others write its query, and may put into it what they like."""


def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Refuse a query with a parameter the route does not have: a typing mistake, most likely.

    Raises:
        ValidationFailedError: names the parameter and those there are.
    """
    if request.route_handler.opt.get(ANY_QUERY):
        return
    known = _query_parameters(request)
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise ValidationFailedError(
                f"There is no parameter {name!r} here.",
                hint=f"There are: {', '.join(sorted(known)) or 'none'}.",
                field=f"$.{name}",
            )
        if "\0" in value:
            raise ValidationFailedError(f"{name} holds the character U+0000.", field=f"$.{name}")


def _query_parameters(request: Request[Any, Any, Any]) -> Collection[str]:
    fields = request.route_handler.parsed_fn_signature.parameters
    return frozenset(
        field.kwarg_definition.name or name
        for name, field in fields.items()
        if isinstance(field.kwarg_definition, ParameterKwarg)
        and field.kwarg_definition.param_type is ParamType.QUERY
    )
