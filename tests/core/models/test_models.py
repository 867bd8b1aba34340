"""What holds for every core model: exact numbers, aware instants, frozen, and the same after a way through JSON."""

from __future__ import annotations

import pickle
import typing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import Balance, BookLevel, BookSnapshot, Candle, Model, OrderIntent, Side, Subscription
from tests.core.builders import BTC, START, an_intent, an_order
from tests.core.models.strategies import ALL, of_model, sample

every_model = pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)


def spelt(value: Any) -> Any:
    """Return a value with each decimal as its digits and exponent, so that 1.0 and 1.00 differ."""
    if isinstance(value, Decimal):
        return value.as_tuple()
    if isinstance(value, Model):
        return {name: spelt(each) for name, each in value.__dict__.items()}
    if isinstance(value, tuple):
        return tuple(spelt(each) for each in value)
    return value


@every_model
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_every_model_is_the_same_after_json(model: type[Model], data: st.DataObject):
    """To the last digit, trailing zeros included."""
    original = data.draw(of_model(model))
    back = model.model_validate_json(original.model_dump_json())
    assert back == original
    assert spelt(back) == spelt(original)


@every_model
@given(data=st.data())
@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
def test_every_model_is_the_same_after_pickling_and_without_validation(model: type[Model], data: st.DataObject):
    """``trusted`` gives what validation gives, for values that are already right."""
    original = data.draw(of_model(model))
    assert pickle.loads(pickle.dumps(original)) == original  # noqa: S301
    assert spelt(model.trusted(**original.__dict__)) == spelt(original)
    assert original.replace() == original


@every_model
def test_trusted_fills_in_the_defaults(model: type[Model]):
    """Every field has a value, and it is the one that validation would have given."""
    required = {name: object() for name, field in model.model_fields.items() if field.is_required()}
    built = model.trusted(**required)
    for name, field in model.model_fields.items():
        if not field.is_required():
            assert getattr(built, name) == field.get_default(call_default_factory=True)
    with pytest.raises(TypeError):
        model.trusted(**required, no_such_field=1)


@every_model
def test_what_is_fixed_beforehand_need_not_be_given_and_can_be_nothing_else(model: type[Model]):
    """The result is the same model as from all fields, in the same order, and two of them share nothing."""
    values = {name: object() for name in model.model_fields}
    names = list(values)
    build = model.trusted_with(**{name: values[name] for name in names[::2]})
    rest = {name: values[name] for name in names[1::2]}
    one, other = build(**rest), build(**rest)
    assert list(one.__dict__.items()) == list(values.items())
    assert (one.__pydantic_fields_set__, one.__pydantic_extra__) == (set(values), None)
    assert one.__dict__ is not other.__dict__
    with pytest.raises(TypeError):
        build(**rest, **{names[0]: 1})
    with pytest.raises(TypeError, match="no_such_field"):
        model.trusted_with(no_such_field=1)


@every_model
def test_fields_that_are_not_fixed_keep_their_defaults(model: type[Model]):
    """As with ``trusted``."""
    required = {name: object() for name, field in model.model_fields.items() if field.is_required()}
    first = next(iter(required))
    build = model.trusted_with(**{first: required.pop(first)})
    for name, field in model.model_fields.items():
        if not field.is_required():
            assert getattr(build(**required), name) == field.get_default(call_default_factory=True)


@every_model
def test_a_trusted_copy_differs_in_what_was_changed_alone(model: type[Model]):
    """A field that is not there is an error, not a silence; the original stays as it was."""
    original = model.trusted(**{name: object() for name in model.model_fields})
    before = dict(original.__dict__)
    last = list(model.model_fields)[-1]
    changed = original.trusted_replace(**{last: 1})
    assert changed.__dict__ == {**before, last: 1}
    assert original.__dict__ == before
    with pytest.raises(TypeError):
        original.trusted_replace(no_such_field=1)


@every_model
@given(data=st.data())
@settings(max_examples=3, suppress_health_check=[HealthCheck.too_slow])
def test_every_model_is_frozen_and_takes_no_unknown_field(model: type[Model], data: st.DataObject):
    """What was emitted can't change; a misspelt field is an error and not a silence."""
    original = data.draw(of_model(model))
    name = next(iter(model.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(original, name, getattr(original, name))
    with pytest.raises((ValidationError, InvalidOrderError), match="Extra inputs are not permitted"):
        model(**original.__dict__, no_such_field=1)


def decimal_fields(model: type[Model]) -> list[str]:
    """Return the fields that take a decimal."""
    return [
        name
        for name, field in model.model_fields.items()
        if "Decimal" in repr(field.annotation) and "BookLevel" not in repr(field.annotation)
    ]


DECIMALS = [(model, name) for model in ALL for name in decimal_fields(model)]


def fields_of(kind: str) -> list[tuple[type[Model], str]]:
    """Return the fields whose annotation names a kind."""
    return [
        (model, name) for model in ALL for name, field in model.model_fields.items() if kind in repr(field.annotation)
    ]


INSTANTS = fields_of("AwareDatetime")
DURATIONS = fields_of("timedelta")


def test_the_tables_of_fields_hold_what_they_should():
    """The three lists beneath are found by reflection; they must not be empty by accident."""
    names = {f"{model.__name__}.{name}" for model, name in [*DECIMALS, *INSTANTS, *DURATIONS]}
    assert {
        "Balance.total",
        "Order.price",
        "Market.tick_size",
        "Position.size",
        "FundingRate.value",
        "Order.ts_received",
        "OrderIntent.expires_at",
        "FundingRate.next_at",
        "FundingRate.period",
        "Market.funding_interval",
        "OrderIntent.accept_within",
    } <= names


def refuses(model: type[Model], name: str, values: list[Any]) -> None:
    """Assert that each value is refused for one field of an otherwise valid model, by the field's name."""
    good = sample(model).__dict__
    for value in values:
        with pytest.raises((ValidationError, InvalidOrderError), match=name):
            model(**{**good, name: value})


@pytest.mark.parametrize(("model", "name"), DECIMALS, ids=lambda part: getattr(part, "__name__", part))
def test_no_decimal_field_takes_a_float_or_what_is_no_number(model: type[Model], name: str):
    """A float has lost digits; NaN would pass every comparison."""
    refuses(model, name, [0.1, 1.0, float("nan"), True, "NaN", "Infinity", Decimal("-Infinity"), Decimal("sNaN"), "x"])


def test_book_levels_take_no_floats_either():
    """They are tuples inside a model; the rule is the same."""
    for level in [(0.1, 1), (1, 0.1), (Decimal("NaN"), 1), (0, 1), (1, -1)]:
        with pytest.raises(ValidationError):
            BookSnapshot(market_id=BTC, bids=(level,), asks=(), ts_received=START)
    book = BookSnapshot(market_id=BTC, bids=(("1.10", "0"),), asks=(), ts_received=START)
    assert book.bids == (BookLevel(Decimal("1.10"), Decimal(0)),)


@pytest.mark.parametrize(("model", "name"), INSTANTS, ids=lambda part: getattr(part, "__name__", part))
def test_no_instant_is_naive_or_a_bare_number(model: type[Model], name: str):
    """A naive time is of nowhere, and whether a number is seconds or milliseconds would be a guess."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    refuses(model, name, [naive, "2026-01-01T00:00:00", 1767225600, 1767225600000, 1767225600.5, "1767225600"])


@pytest.mark.parametrize(("model", "name"), DURATIONS, ids=lambda part: getattr(part, "__name__", part))
def test_no_length_of_time_is_a_bare_number(model: type[Model], name: str):
    """A funding period of 8 would be eight seconds."""
    refuses(model, name, [8, 8.0, Decimal(8)])


def test_instants_are_kept_in_utc():
    """The same moment, whatever zone it came in."""
    tokyo = datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    balance = Balance(asset="USDC", total=1, ts_received=tokyo)
    assert balance.ts_received == datetime(2026, 1, 1, tzinfo=UTC)
    assert balance.ts_received.tzinfo is UTC


def test_replace_validates():
    """A copy is held to the same rules as the original."""
    order = an_order()
    assert order.replace(price="62000").price == Decimal(62000)
    with pytest.raises(ValidationError, match="float"):
        order.replace(price=0.5)
    with pytest.raises(InvalidOrderError, match="greater than 0"):
        an_intent().replace(size=0)


def test_no_public_model_has_a_float_field():
    """By the annotations, so that a new field is caught too."""

    def mentions_float(annotation: Any) -> bool:
        return annotation is float or any(mentions_float(each) for each in typing.get_args(annotation))

    assert mentions_float(tuple[int | float, ...])
    fields = [(model, name, field) for model in ALL for name, field in model.model_fields.items()]
    offenders = [f"{model.__name__}.{name}" for model, name, field in fields if mentions_float(field.annotation)]
    assert not offenders


def test_subscriptions_are_the_same_by_channel_and_market():
    """The market's rules may have been loaded again meanwhile."""
    one, other = Subscription(channel="orders"), Subscription(channel="orders")
    assert one == other
    assert len({one, other}) == 1
    assert one != "orders"


def test_a_candle_and_an_intent_bear_what_they_say():
    """Spot checks that the reflection above looks at the real thing."""
    candle = Candle(
        market_id=BTC, opened_at=START, interval=timedelta(hours=1), open="1", high="2", low="1", close="2", volume=0
    )
    assert candle.interval == timedelta(hours=1)
    assert OrderIntent(market_id=BTC, side=Side.BUY, size="0.5", price=1).size == Decimal("0.5")
