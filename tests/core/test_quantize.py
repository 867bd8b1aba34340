"""Rounding to tick and step, and the refusals that name the nearest good value."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import MarketStatus, OrderAmendment, OrderType, Side
from perpkit.core.quantize import (
    canonical,
    ceil_price,
    check_amendment,
    check_intent,
    floor_price,
    largest_size,
    plain,
    quantize_amendment,
    quantize_intent,
    quantize_price,
    quantize_size,
    smallest_size,
)
from tests.core.builders import BTC, a_market, an_intent, an_order

D = Decimal


def refusal(call, *args, **kwargs) -> InvalidOrderError:
    """Return the refusal, which must name venue and operation."""
    with pytest.raises(InvalidOrderError) as caught:
        call(*args, **kwargs)
    assert caught.value.venue == "paradex"
    assert caught.value.operation
    return caught.value


# Messages


@pytest.mark.parametrize(
    ("intent", "market", "message"),
    [
        (
            {"size": D("0.0015")},
            {},
            "size 0.0015 is off step 0.001 for BTC-USD-PERP@paradex; nearest 0.001 or 0.002",
        ),
        (
            {"size": D("0.0015")},
            {"max_size": D("0.001")},
            "size 0.0015 is off step 0.001 for BTC-USD-PERP@paradex; nearest 0.001",
        ),
        (
            {"size": D("0.001")},
            {"min_size": D("0.0025")},
            "size 0.001 is below the minimum 0.0025 for BTC-USD-PERP@paradex; nearest 0.003",
        ),
        (
            {"size": D("12")},
            {"max_size": D("10.0005")},
            "size 12 is above the maximum 10.0005 for BTC-USD-PERP@paradex; nearest 10",
        ),
        (
            # 100 / 63000 = 0.001587..., and the next step above is 0.002.
            {"size": D("0.001")},
            {"min_notional": D(100)},
            "size 0.001 at 63000 is worth less than the minimum notional 100 for BTC-USD-PERP@paradex; nearest 0.002",
        ),
        (
            {"size": D("0.001")},
            {"min_notional": D(1_000_000), "max_size": D(1)},
            "size 0.001 at 63000 is worth less than the minimum notional 1000000 for BTC-USD-PERP@paradex; "
            "no size is good here: the least is 15.874, the largest 1",
        ),
        (
            {"price": D("63000.15")},
            {},
            "price 63000.15 is off tick 0.1 for BTC-USD-PERP@paradex; nearest 63000.1 or 63000.2",
        ),
        (
            {"price": D("0.05"), "size": D(1)},
            {},
            "price 0.05 is off tick 0.1 for BTC-USD-PERP@paradex; nearest 0.1",
        ),
        (
            {"price": D("1234.56")},
            {"tick_size": D("0.01"), "price_significant_figures": 5},
            "price 1234.56 has more than 5 significant figures for BTC-USD-PERP@paradex; nearest 1234.5 or 1234.6",
        ),
        (
            {"type": OrderType.STOP_MARKET, "trigger_price": D("63000.15")},
            {},
            "trigger_price 63000.15 is off tick 0.1 for BTC-USD-PERP@paradex; nearest 63000.1 or 63000.2",
        ),
        ({}, {"status": MarketStatus.HALTED}, "BTC-USD-PERP@paradex is halted; no order can be placed"),
        (
            {},
            {"status": MarketStatus.CANCEL_ONLY},
            "BTC-USD-PERP@paradex takes only cancels now; no order can be placed",
        ),
        (
            {},
            {"status": MarketStatus.SETTLED},
            "BTC-USD-PERP@paradex is settled or not yet open; no order can be placed",
        ),
        (
            {},
            {"status": MarketStatus.POST_ONLY},
            "BTC-USD-PERP@paradex takes only post-only orders now; set post_only",
        ),
        (
            {},
            {"status": MarketStatus.REDUCE_ONLY},
            "BTC-USD-PERP@paradex takes only reduce-only orders now; set reduce_only",
        ),
        (
            {"market_id": "ETH-USD-PERP@paradex"},
            {},
            "the order is for ETH-USD-PERP@paradex, not BTC-USD-PERP@paradex",
        ),
    ],
)
def test_a_refusal_names_the_value_the_rule_and_the_nearest_good_values(intent, market, message):
    """The message reads as the house style has it, and nothing is rounded on the way."""
    error = refusal(check_intent, an_intent(client_order_id="mine", **intent), a_market(**market))
    assert error.message == message
    assert error.client_order_id == "mine"


def test_a_price_outside_the_band_is_refused_only_when_the_reference_is_known():
    """5 % around 60000 is 57000 to 63000; the nearest good value lies on the tick inside."""
    market = a_market(price_band=D("0.05"))
    assert check_intent(an_intent(price=D("63000.1")), market)
    high = refusal(check_intent, an_intent(price=D("63000.1")), market, reference=D(60000))
    assert high.message == (
        "price 63000.1 is above 63000, 0.05 away from the reference 60000, for BTC-USD-PERP@paradex; nearest 63000"
    )
    low = refusal(check_intent, an_intent(price=D("56999.9")), market, reference=D("60000.01"))
    assert low.message.endswith("nearest 57000.1")  # 60000.01 x 0.95 = 57000.0095
    assert check_intent(an_intent(price=D("63000")), market, reference=D(60000))


def test_a_market_order_is_measured_by_the_reference():
    """Without a price of its own its notional is known only where the caller gives one."""
    market = a_market(min_notional=D(100))
    small = an_intent(type=OrderType.MARKET, size=D("0.001"))
    assert check_intent(small, market) is small
    assert "minimum notional 100" in refusal(check_intent, small, market, reference=D(63000)).message
    assert check_intent(small, market, reference=D(100_000)) is small


def test_a_notional_is_refused_only_when_too_little_by_price_and_by_reference():
    """Some venues measure at the mark: 0.002 x 40000 = 80 is short of 100, 0.002 x 60000 = 120 is not."""
    market = a_market(min_notional=D(100))
    low = an_intent(price=D(40000))
    refusal(check_intent, low, market)
    assert check_intent(low, market, reference=D(60000)) is low


def test_a_post_only_market_takes_post_only_orders():
    """The flag that it asks for is enough."""
    post_only = an_intent(post_only=True)
    assert check_intent(post_only, a_market(status=MarketStatus.POST_ONLY)) is post_only


@pytest.mark.parametrize("value", [D("NaN"), D("Infinity"), D(0), D(-1), D("1E+61"), D("1." + "1" * 70)])
def test_numbers_that_are_none_are_refused(value):
    """NaN, infinities, zero, negatives and monsters end in the typed error, from every way in."""
    market = a_market(price_band=D("0.05"))
    for call in (
        lambda: quantize_price(value, market, Side.BUY),
        lambda: quantize_size(value, market),
        lambda: check_intent(an_intent(), market, reference=value),
    ):
        refusal(call)


def test_floats_do_not_pass():
    """A float is a defect of the caller and fails at once."""
    with pytest.raises(AttributeError):
        quantize_size(0.1, a_market())


# Directions


@pytest.mark.parametrize(
    ("side", "passive", "expected"),
    [(Side.BUY, True, "99.9"), (Side.SELL, True, "100.0"), (Side.BUY, False, "100.0"), (Side.SELL, False, "99.9")],
)
def test_the_direction_of_a_price_is_by_side(side, passive, expected):
    """Passive is down for a buy and up for a sell; the other way for a bound."""
    assert quantize_price(D("99.95"), a_market(), side, passive=passive) == D(expected)


@pytest.mark.parametrize(
    ("kind", "side", "expected"),
    [
        (OrderType.STOP_MARKET, Side.BUY, "100"),
        (OrderType.STOP_MARKET, Side.SELL, "99.9"),
        (OrderType.TAKE_PROFIT_MARKET, Side.BUY, "99.9"),
        (OrderType.TAKE_PROFIT_MARKET, Side.SELL, "100"),
    ],
)
def test_a_trigger_never_fires_earlier_than_asked(kind, side, expected):
    """A buy stop waits for a rise and so goes up, a buy take-profit waits for a fall and so goes down."""
    intent = an_intent(type=kind, side=side, trigger_price=D("99.95"), size=D(1))
    assert quantize_intent(intent, a_market()).trigger_price == D(expected)


def test_a_size_below_one_step_is_refused_rather_than_rounded_to_nothing():
    """The message names the least size that is accepted."""
    error = refusal(quantize_size, D("0.0009"), a_market(min_size=D("0.005")))
    assert error.message == "size 0.0009 is below one step 0.001 for BTC-USD-PERP@paradex; nearest 0.005"


def test_a_buy_below_the_first_tick_is_refused():
    """There is no price beneath it, and rounding up would pay more than asked."""
    assert refusal(quantize_price, D("0.09"), a_market(), Side.BUY).message.endswith("nearest 0.1")
    assert quantize_price(D("0.09"), a_market(), Side.SELL) == D("0.1")


def test_quantizing_an_order_rounds_price_and_size_once():
    """63000.19 goes to 63000.1 for a buy, 0.0029 to 0.002, and everything else stays."""
    intent = an_intent(price=D("63000.19"), size=D("0.0029"), client_order_id="mine", reduce_only=True)
    exact = quantize_intent(intent, a_market())
    assert exact == intent.replace(price=D("63000.1"), size=D("0.002"))
    assert quantize_intent(exact, a_market()) is exact


def test_numbers_leave_in_their_one_spelling():
    """No trailing zeros and no exponent, so that what is signed reads as what is sent."""
    exact = check_intent(an_intent(price=D("6.300E+4"), size=D("1.000")), a_market())
    assert (str(exact.price), str(exact.size)) == ("63000", "1")
    assert plain(D("1E-8")) == "0.00000001"
    assert plain(D("1.50E+3")) == "1500"


def test_the_callers_decimal_context_does_not_matter():
    """A narrow context elsewhere in the program does not cost digits here."""
    with localcontext() as context:
        context.prec = 3
        assert quantize_price(D("123456.78"), a_market(), Side.BUY) == D("123456.7")
        assert canonical(D("123456.780")) == D("123456.78")


# Significant figures


@pytest.mark.parametrize(
    ("price", "below", "above"),
    [
        ("1234.56", "1234.5", "1234.6"),
        ("12345.6", "12345", "12346"),
        ("123456.7", "123456", "123457"),  # whole prices pass, however many digits
        ("0.0123456", "0.012345", "0.012346"),
        ("9999.97", "9999.9", "10000"),
        ("99999.5", "99999", "100000"),
        ("0.0000004", None, "0.000001"),
    ],
)
def test_five_significant_figures(price, below, above):
    """Where figures are limited the step grows with the price, but never past whole numbers."""
    market = a_market(tick_size=D("0.000001"), price_significant_figures=5)
    assert floor_price(D(price), market) == (None if below is None else D(below))
    assert ceil_price(D(price), market) == D(above)


def test_a_tick_that_is_no_power_of_ten_meets_the_figures():
    """With tick 0.25 and 3 figures, prices above 100 stand on whole numbers and those from 10 on halves."""
    market = a_market(tick_size=D("0.25"), price_significant_figures=3)
    assert floor_price(D("100.75"), market) == D(100)
    assert floor_price(D("99.75"), market) == D("99.5")
    assert ceil_price(D("99.75"), market) == D("100")
    assert floor_price(D("9.80"), market) == D("9.75")


def test_rounding_down_past_a_decade_finds_the_finer_grid():
    """With tick 0.7 and 2 figures nothing whole stands between 10 and 13; 9.8 has two figures and is on tick."""
    market = a_market(tick_size=D("0.7"), price_significant_figures=2)
    assert floor_price(D("13.9"), market) == D("9.8")
    assert ceil_price(D("13.9"), market) == D(14)


# Properties

ticks = st.sampled_from([D(t) for t in ("0.1", "0.5", "0.25", "0.01", "1", "10", "0.000001", "0.3", "0.7", "25")])
prices = st.decimals(min_value="0.0000001", max_value="10000000", allow_nan=False, allow_infinity=False, places=7)
sizes = st.decimals(min_value="0.0000001", max_value="1000000", allow_nan=False, allow_infinity=False, places=7)
steps = st.sampled_from([D(s) for s in ("0.001", "1", "0.00001", "0.5", "10", "0.03", "100")])
figures = st.sampled_from([None, 2, 3, 5])
sides = st.sampled_from(list(Side))


def accepted(price: D, tick: D, figs: int | None) -> bool:
    """An independent reading of the price rule, in fractions and text."""
    if (Fraction(price) / Fraction(tick)).denominator != 1:
        return False
    digits = format(price, "f").replace(".", "").strip("0") if "." in format(price, "f") else "1"
    whole = Fraction(price).denominator == 1
    return figs is None or whole or len(digits) <= figs


@given(prices, ticks, figures)
def test_rounded_prices_are_accepted_and_no_accepted_price_lies_between(price, tick, figs):
    """Down gives the highest acceptable price at or below, up the lowest at or above."""
    market = a_market(tick_size=tick, price_significant_figures=figs)
    below, above = floor_price(price, market), ceil_price(price, market)
    assert accepted(above, tick, figs)
    assert above >= price
    if below is not None:
        assert accepted(below, tick, figs)
        assert 0 < below <= price
    if accepted(price, tick, figs):
        assert below == above == price
    # Walk the ticks between the two; cheap, and only where they are few.
    low = below or D(0)
    count = (Fraction(above) - Fraction(low)) / Fraction(tick)
    if count <= 500:
        between = [low + tick * n for n in range(1, int(count))]
        assert not [p for p in between if p > 0 and accepted(p.normalize(), tick, figs)]


@given(prices, ticks, figures, sides, st.booleans())
def test_quantizing_a_price_twice_changes_nothing(price, tick, figs, side, passive):
    """What comes out is on the grid, so it stays."""
    market = a_market(tick_size=tick, price_significant_figures=figs)
    assume(price >= tick * 10)
    once = quantize_price(price, market, side, passive=passive)
    assert quantize_price(once, market, side, passive=passive) == once
    assert quantize_price(once, market, side, passive=not passive) == once
    assert (once <= price) if (side is Side.BUY) is passive else (once >= price)


@given(sizes, steps)
def test_a_size_goes_down_by_less_than_one_step_or_is_refused(size, step):
    """Never up, never to zero, never by a whole step, always a multiple."""
    market = a_market(step_size=step)
    if size < step:
        refusal(quantize_size, size, market)
        return
    found = quantize_size(size, market)
    assert 0 < found <= size < found + step
    assert (Fraction(found) / Fraction(step)).denominator == 1
    assert quantize_size(found, market) == found


@given(
    price=prices,
    size=sizes,
    tick=ticks,
    step=steps,
    figs=figures,
    side=sides,
    min_size=st.none() | sizes,
    min_notional=st.none() | sizes,
    max_size=st.none() | sizes,
)
def test_an_order_that_was_quantized_passes_the_check_or_was_refused(
    *, price, size, tick, step, figs, side, min_size, min_notional, max_size
):
    """Whatever the rules, what leaves is acceptable by an independent reading of them, and no larger than asked."""
    market = a_market(
        tick_size=tick,
        step_size=step,
        price_significant_figures=figs,
        min_size=min_size and min_size + D("0.0000001"),
        min_notional=min_notional,
        max_size=max_size and max_size + D("0.0000001"),
    )
    try:
        exact = quantize_intent(an_intent(price=price, size=size, side=side), market)
    except InvalidOrderError:
        return
    assert accepted(exact.price, tick, figs)
    assert (Fraction(exact.size) / Fraction(step)).denominator == 1
    assert exact.size <= size
    assert market.min_size is None or exact.size >= market.min_size
    assert market.max_size is None or exact.size <= market.max_size
    assert min_notional is None or Fraction(exact.size) * Fraction(exact.price) >= Fraction(min_notional)
    assert quantize_intent(exact, market) is exact
    assert "E" not in f"{exact.price:f}{exact.size:f}"


@given(price=prices, size=sizes, tick=ticks, step=steps, figs=figures, min_notional=st.none() | sizes)
def test_the_values_that_a_refusal_names_are_good(*, price, size, tick, step, figs, min_notional):
    """Taking the advice leads to an accepted order, one correction for the price and one for the size."""
    market = a_market(tick_size=tick, step_size=step, price_significant_figures=figs, min_notional=min_notional)

    def advice(error: InvalidOrderError) -> list[D]:
        return [D(value) for value in re.findall(r"[\d.]+", error.message.partition("; nearest ")[2])]

    intent = an_intent(price=price, size=size)
    for _ in range(3):
        try:
            check_intent(intent, market)
        except InvalidOrderError as error:
            field = "price" if error.message.startswith("price") else "size"
            values = advice(error)
            assert values
            intent = intent.replace(**{field: values[-1]})
        else:
            return
    pytest.fail("two corrections were not enough")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value="1E-18", max_value="1E+18", places=20))
def test_the_one_spelling_is_the_same_number(value):
    """Canonical and plain forms change the spelling only."""
    assert canonical(value) == value
    assert D(plain(value)) == value
    assert "E" not in plain(value)
    assert canonical(value).as_tuple() == canonical(D(f"{value:f}000")).as_tuple()


# Limits and amendments


def test_the_least_and_the_largest_size_stand_on_the_step():
    """0.0025 goes up to 0.003, 10.0005 down to 10; 100 / 63000 goes up to 0.002."""
    market = a_market(min_size=D("0.0025"), max_size=D("10.0005"), min_notional=D(100))
    assert smallest_size(market) == D("0.003")
    assert smallest_size(market.replace(min_size=None), D(63000)) == D("0.002")
    assert largest_size(market) == D(10)
    assert largest_size(a_market()) is None


def test_an_amendment_is_held_to_the_same_grid():
    """Price off tick, size off step and a size that is filled already are refused by name."""
    order, market = an_order(filled_size=D("0.5")), a_market()

    def change(**fields):
        return OrderAmendment(order=order.ref, **fields)

    assert refusal(check_amendment, change(price=D("1.15")), order, market).message.endswith("nearest 1.1 or 1.2")
    assert "off step" in refusal(check_amendment, change(size=D("0.7005")), order, market).message
    filled = refusal(check_amendment, change(size=D("0.5")), order, market)
    assert filled.message == (f"size 0.5 is not above the 0.5 already filled of the order on {BTC}; cancel it instead")
    assert filled.client_order_id == "c1"
    exact = quantize_amendment(change(size=D("0.7005"), price=D("1.15")), order, market)
    assert (exact.size, exact.price) == (D("0.7"), D("1.1"))
    stop = an_order(type=OrderType.STOP_LIMIT, side=Side.SELL, trigger_price=D(2))
    moved = OrderAmendment(order=stop.ref, trigger_price=D("1.15"), price=D("1.15"))
    exact = quantize_amendment(moved, stop, market)
    assert (exact.trigger_price, exact.price) == (D("1.1"), D("1.2"))  # a sell stop waits for a fall, a sell asks more
    halted = refusal(check_amendment, change(size=D(1)), order, a_market(status=MarketStatus.HALTED))
    assert "is halted" in halted.message
    foreign = an_order(market_id="ETH-USD-PERP@paradex")
    refusal(check_amendment, OrderAmendment(order=foreign.ref, size=D(2)), foreign, market)
