"""Draws any valid value of any core model, from the model's own fields, so that a model added later is covered too."""

from __future__ import annotations

import random
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import annotated_types
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime

from perpkit.core import models
from perpkit.core.models import Model, OrderAmendment, OrderIntent, OrderRef, OrderType, Side, TimeInForce
from perpkit.core.models.base import NonNegative, Number, Price, Size, UtcTime

ALL = sorted(
    {
        each
        for each in vars(models).values()
        if isinstance(each, type) and issubclass(each, Model) and each is not Model
    },
    key=lambda model: model.__name__,
)

numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value="-1E+18", max_value="1E+18", places=20)
not_negative = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value="1E+18", places=20)
positive = not_negative.filter(lambda value: value > 0)
instants = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
durations = st.timedeltas(timedelta(microseconds=1), timedelta(days=3650))
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
market_ids = st.sampled_from(["BTC-USD-PERP@paradex", "kPEPE-USD-PERP@paradex", "2Z-USD-PERP@toy"])

_BY_ALIAS = {
    repr(Price): positive,
    repr(Size): positive,
    repr(NonNegative): not_negative,
    repr(Number): numbers,
    repr(UtcTime): instants,
}


def of_type(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Return a strategy for one annotation."""
    if repr(annotation) in _BY_ALIAS:
        return _BY_ALIAS[repr(annotation)]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return of_type(args[0], args[1:])
    if origin in {typing.Union, types.UnionType}:
        return st.one_of(*(of_type(each) for each in args))
    if origin is tuple:
        return st.lists(of_type(args[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(words, st.one_of(words, st.integers(-5, 5), st.booleans()), max_size=3)
    if annotation is Decimal:
        bounds = {type(each): each for each in metadata}
        if annotated_types.Gt in bounds:
            return positive
        return not_negative if annotated_types.Ge in bounds else numbers
    simple = {
        datetime: instants,
        AwareDatetime: instants,
        timedelta: durations,
        str: words,
        int: st.integers(0, 2**63),
        bool: st.booleans(),
        types.NoneType: st.none(),
    }
    if annotation in simple:
        return simple[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return of_model(annotation)
    if isinstance(annotation, type) and issubclass(annotation, tuple):  # a NamedTuple
        hints = typing.get_type_hints(annotation, include_extras=True)
        return st.builds(annotation, **{name: of_type(hint) for name, hint in hints.items()})
    msg = f"no strategy for {annotation!r}; add one"
    raise TypeError(msg)


@st.composite
def intents(draw: st.DrawFn) -> OrderIntent:
    """An order whose fields can stand together."""
    kind = draw(st.sampled_from(list(OrderType)))
    tif = draw(st.sampled_from(list(TimeInForce)))
    rests = kind.has_price and tif not in {TimeInForce.IOC, TimeInForce.FOK}
    return OrderIntent(
        market_id=draw(market_ids),
        side=draw(st.sampled_from(list(Side))),
        type=kind,
        size=draw(positive),
        price=draw(positive) if kind.has_price else None,
        client_order_id=draw(st.none() | words),
        time_in_force=tif,
        post_only=draw(st.booleans()) if rests else False,
        reduce_only=draw(st.booleans()),
        trigger_price=draw(positive) if kind.has_trigger else None,
        expires_at=draw(instants) if tif is TimeInForce.GTD else None,
        max_slippage=draw(st.none() | not_negative) if kind is OrderType.MARKET else None,
        accept_within=draw(st.none() | durations),
        options=draw(of_type(Mapping[str, Any])),
    )


@cache
def of_model(model: type[Model]) -> st.SearchStrategy[Any]:
    """Return a strategy for one model."""
    if model is OrderIntent:
        return intents()
    fields = {
        name: market_ids if name == "market_id" else of_type(field.annotation, tuple(field.metadata))
        for name, field in model.model_fields.items()
    }
    if model is OrderRef:
        fields["venue_order_id"] = words.filter(bool)
    if model is OrderAmendment:
        fields["size"] = positive
    return st.builds(model, **fields)


@cache
def sample(model: type[Model]) -> Any:
    """Return one valid value of a model, the same in each run."""
    one = settings(max_examples=10, database=None, phases=[Phase.generate])
    return find(of_model(model), lambda _: True, settings=one, random=random.Random(0))
