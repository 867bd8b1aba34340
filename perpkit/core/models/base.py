"""
What every model shares: frozen, no unknown fields, exact decimals, aware UTC instants.

Models are validated when anybody builds one. Decoders that have already typed a payload at the wire may use
:meth:`Model.trusted`, which skips validation and is several times faster.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

_EMPTY: frozenset[str] = frozenset()


def _refuse_float(value: object) -> object:
    """A float has already lost the digits; a bool is an int by accident."""
    if isinstance(value, float | bool):
        msg = f"{value!r} is a {type(value).__name__}; pass a Decimal, an int or a string"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError, not TypeError, into a located error
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

UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware instant, kept in UTC."""

M = TypeVar("M", bound="Model")


class Model(BaseModel):
    """Base of all core models."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, ser_json_timedelta="float")

    _defaults: ClassVar[dict[str, Any]] = {}
    _names: ClassVar[set[str]] = set()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Remember defaults and names once, for :meth:`trusted`."""
        super().__pydantic_init_subclass__(**kwargs)
        cls._names = set(cls.model_fields)
        cls._defaults = {
            name: field.get_default(call_default_factory=False)
            for name, field in cls.model_fields.items()
            if not field.is_required()
        }

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """
        Build without validating. For decoders whose values the wire layer has already typed and checked.

        The caller answers for it that every required field is there, that decimals are finite and that instants
        are aware UTC.
        """
        # Every event of every stream comes through here: slots are set by their descriptors, and all of a class
        # share one set of names (pydantic copies it before it changes it; frozen models never do).
        self = _new(cls)
        _set(self, "__dict__", cls._defaults | values)
        _set_fields_set(self, cls._names)
        _set_extra(self, None)
        _set_private(self, None)
        return self

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        return type(self).model_validate({**self.__dict__, **changes})


_new = object.__new__
_set = object.__setattr__
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
