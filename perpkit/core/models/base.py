"""
What every model shares: frozen, no unknown fields, exact decimals, aware UTC instants.

Models are validated when anybody builds one. Decoders that have already typed a payload at the wire may use
:meth:`Model.trusted`, which skips validation and is several times faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

_EMPTY: frozenset[str] = frozenset()


_NUMERIC = re.compile(r"\s*[-+]?[0-9_.]+(?:[eE][-+]?[0-9]+)?\s*")


def _refuse_float(value: object) -> object:
    """A float has already lost the digits; a bool is an int by accident."""
    if isinstance(value, float | bool):
        msg = f"{value!r} is a {type(value).__name__}; pass a Decimal, an int or a string"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError, not TypeError, into a located error
    return value


def _refuse_number(value: object) -> object:
    """A bare number says neither seconds nor milliseconds, and a guess is off by a thousand."""
    if isinstance(value, int | float | Decimal) or (isinstance(value, str) and _NUMERIC.fullmatch(value)):
        msg = f"{value!r} is a bare number; pass a datetime, or use perpkit.core.clock.from_ms"
        raise ValueError(msg)
    return value


def _refuse_unitless(value: object) -> object:
    """A bare number says neither seconds nor hours."""
    if isinstance(value, int | float | Decimal):
        msg = f"{value!r} is a bare number; pass a timedelta"
        raise ValueError(msg)  # noqa: TRY004 - as above
    return value


def _to_utc(value: datetime) -> datetime:
    return value if value.tzinfo is UTC else value.astimezone(UTC)


Number = Annotated[Decimal, BeforeValidator(_refuse_float)]
"""Any finite decimal. Floats, NaN and infinities are refused."""

Price = Annotated[Decimal, BeforeValidator(_refuse_float), Field(gt=0)]
"""Quote units per one base unit, above zero."""

Size = Annotated[Decimal, BeforeValidator(_refuse_float), Field(gt=0)]
"""Base units, above zero."""

NonNegative = Annotated[Decimal, BeforeValidator(_refuse_float), Field(ge=0)]
"""A finite decimal that is zero or more."""

UtcTime = Annotated[AwareDatetime, BeforeValidator(_refuse_number), AfterValidator(_to_utc)]
"""An aware instant, kept in UTC."""

Duration = Annotated[timedelta, BeforeValidator(_refuse_unitless)]
"""A length of time; in JSON as ISO 8601 writes it."""

M = TypeVar("M", bound="Model")


class Model(BaseModel):
    """Base of all core models."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, ser_json_timedelta="iso8601")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make the class's own :meth:`trusted`."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.trusted = staticmethod(_trusted_builder(cls, {}))  # type: ignore[method-assign]

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """
        Build without validating. For decoders whose values the wire layer has already typed and checked.

        The caller answers for it that decimals are finite and that instants are aware UTC.

        Raises:
            TypeError: A field is missing or unknown.
        """
        # Each subclass has its own, made in __pydantic_init_subclass__.
        raise TypeError(f"{cls.__name__} has no fields to build")

    @classmethod
    def trusted_with(cls, **fixed: Any) -> Callable[..., Self]:
        """
        Return a :meth:`trusted` for models that all have these values: it takes the other fields. It is faster the more
        fields are fixed, those that keep their default among them.

        Raises:
            TypeError: There is no such field.
        """
        return _trusted_builder(cls, fixed)

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        return type(self).model_validate({**self._values(), **changes})

    def trusted_replace(self, **changes: Any) -> Self:
        """
        Return a copy with some fields changed, without validating: :meth:`trusted` beside :meth:`replace`.

        Raises:
            TypeError: There is no such field.
        """
        return self.trusted(**{**self._values(), **changes})

    def _values(self) -> dict[str, Any]:
        """Return the fields. A model that keeps more beside them leaves that out."""
        return self.__dict__


_set_dict = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__


_MOST_IN_DISPLAY = 15
"""CPython puts a longer dict display together from several dicts, which takes longer than filling a copy."""


def _trusted_builder(cls: type[M], fixed: Mapping[str, Any]) -> Callable[..., M]:
    """
    Write the function that builds one model from its fields by name, those left out that are ``fixed``, as
    ``dataclasses`` writes an ``__init__``.

    Every event of every stream is built by one of these, so it does nothing twice: one call binds the values and the
    defaults, and all instances share one set of names (pydantic copies it before changing it; frozen models never do).
    """
    fields = cls.model_fields
    if unknown := sorted(fixed.keys() - fields.keys()):
        msg = f"{cls.__name__} has no field {', '.join(unknown)}"
        raise TypeError(msg)
    asked = {name: field for name, field in fields.items() if name not in fixed}
    defaults = {
        name: field.get_default(call_default_factory=True) for name, field in asked.items() if not field.is_required()
    }
    names = [*(name for name in asked if name not in defaults), *defaults]
    arguments = ", ".join(f"{name}=_default_{name}" if name in defaults else name for name in names)
    if not fixed and len(fields) <= _MOST_IN_DISPLAY:
        values = [f"values = {{{', '.join(f'{name!r}: {name}' for name in fields)}}}"]
    else:
        values = ["values = _blank()", *(f"values[{name!r}] = {name}" for name in asked)]
    body = [
        "self = _new(_cls)",
        *values,
        "_set_dict(self, values)",
        "_set_fields_set(self, _names)",
        "_set_extra(self, None)",
        "_set_private(self, None)",
        "return self",
    ]
    source = f"def trusted(*, {arguments}):\n" + "".join(f"    {line}\n" for line in body)
    scope: dict[str, Any] = {
        "_blank": {**dict.fromkeys(fields), **fixed}.copy,
        "_cls": cls,
        "_names": set(fields),
        "_new": object.__new__,
        "_set_dict": _set_dict,
        "_set_extra": _set_extra,
        "_set_fields_set": _set_fields_set,
        "_set_private": _set_private,
        **{f"_default_{name}": value for name, value in defaults.items()},
    }
    exec(source, scope)  # noqa: S102 - the source holds field names of our own classes and nothing else
    build: Callable[..., M] = scope["trusted"]
    return build
