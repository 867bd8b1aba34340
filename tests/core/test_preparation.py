"""What is sent is what was asked, under its names and in one spelling, and nothing changes it on the way."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.capabilities import Capabilities, ClientOrderIdRule
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.clock import SystemClock
from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import BookSnapshot, Market, OrderIntent, OrderType, TimeInForce
from perpkit.core.preparation import OrderPreparation
from tests.core.builders import a_market, an_intent


@pytest.fixture
def preparation() -> OrderPreparation:
    """For a venue that takes limit orders and one option."""
    rule = ClientOrderIdRule(max_length=32, pattern="[0-9A-Za-z]+")
    able = Capabilities(
        order_types=frozenset({OrderType.LIMIT}),
        times_in_force=frozenset(TimeInForce),
        client_order_id=rule,
        order_options=frozenset({"vwap"}),
        post_only=True,
    )
    return OrderPreparation("toy", able, ClientOrderIds(rule, clock=SystemClock(), rng=random.Random(1)))


async def _no_book(market: Market) -> BookSnapshot:
    raise AssertionError(f"nobody needs the book of {market}")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"size": Decimal("0.0020"), "price": Decimal("63000.00")},
        {"size": Decimal("1E+1")},
        {"client_order_id": "mine", "post_only": True},
        {"options": {"vwap": 3}},
    ],
)
async def test_a_prepared_order_is_the_validated_copy(preparation: OrderPreparation, fields: dict[str, Any]) -> None:
    """Copies are made without validating twice: validating could not tell, and nothing but the names differs."""
    intent = an_intent(**fields)
    prepared = await preparation.prepare(intent, a_market(), _no_book)
    assert prepared.client_order_id
    assert prepared == OrderIntent(**prepared.__dict__)
    assert prepared == intent.replace(client_order_id=prepared.client_order_id)


async def test_numbers_are_sent_in_their_one_spelling(preparation: OrderPreparation) -> None:
    """However they were written: no trailing zeros, no exponent."""
    intent = an_intent(size=Decimal("0.0020"), price=Decimal("6.3E+4"))
    prepared = await preparation.prepare(intent, a_market(), _no_book)
    assert (str(prepared.size), str(prepared.price)) == ("0.002", "63000")


async def test_what_its_maker_changes_later_is_not_sent(preparation: OrderPreparation) -> None:
    """The options of a frozen intent are the maker's own mapping: it is copied, and judged as it is then."""
    options: dict[str, Any] = {}
    intent = an_intent(options=options)
    prepared = await preparation.prepare(intent, a_market(), _no_book)
    intent.options["vwap"] = 1.5  # type: ignore[index]  # that it can be done is the point
    assert prepared.options == {}
    with pytest.raises(InvalidOrderError, match="options"):
        await preparation.prepare(intent, a_market(), _no_book)
