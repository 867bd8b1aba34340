"""Instruments and markets: multipliers, text forms, and what other libraries call them."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from pydantic import ValidationError

from perpkit.core.models import Instrument, InstrumentKind, split_multiplier
from tests.core.builders import a_market


@pytest.mark.parametrize(
    ("base", "underlying", "multiplier"),
    [
        ("BTC", "BTC", 1),
        ("kPEPE", "PEPE", 1_000),
        ("kSHIB", "SHIB", 1_000),
        ("kBONK", "BONK", 1_000),
        ("1000PEPE", "PEPE", 1_000),
        ("10000SATS", "SATS", 10_000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        # Names that only look like it.
        ("2Z", "2Z", 1),
        ("1INCH", "1INCH", 1),
        ("0G", "0G", 1),
        ("100X", "100X", 1),
        ("KAITO", "KAITO", 1),
        ("KPEPE", "KPEPE", 1),
        ("k", "k", 1),
        ("1M", "1M", 1),
        ("1MAX", "1MAX", 1),
        ("S", "S", 1),
        ("USDe", "USDe", 1),
        ("HYPE:ABC", "HYPE:ABC", 1),
        ("*?", "*?", 1),
    ],
)
def test_a_listed_base_is_an_underlying_times_a_multiplier(base: str, underlying: str, multiplier: int):
    """1,000 PEPE under two spellings are the same thing; a coin whose name begins with a digit is whole."""
    assert split_multiplier(base) == (underlying, Decimal(multiplier))
    instrument = Instrument.of(base, "USD", "USDC")
    assert (instrument.base, instrument.underlying, instrument.multiplier) == (base, underlying, multiplier)


@pytest.mark.parametrize(
    ("kind", "symbol"),
    [
        (InstrumentKind.PERP, "BTC-USD-PERP"),
        (InstrumentKind.SPOT, "BTC-USD-SPOT"),
        (InstrumentKind.FUTURE, "BTC-USD-FUT"),
        (InstrumentKind.OPTION, "BTC-USD-OPT"),
    ],
)
def test_the_kind_is_in_the_symbol(kind: InstrumentKind, symbol: str):
    """A spot market and a perpetual on the same pair never share a name."""
    instrument = Instrument.of("BTC", "USD", "USDC", kind)
    assert instrument.symbol == str(instrument) == symbol


def test_a_market_has_one_name_in_each_vocabulary():
    """Ours, ccxt's and Hummingbot's."""
    market = a_market(symbol="BTC_native")
    assert (market.id, str(market)) == ("BTC-USD-PERP@paradex", "BTC-USD-PERP@paradex")
    assert market.ccxt_symbol == "BTC/USD:USDC"
    assert market.hummingbot_pair == "BTC-USD"
    kilo = a_market(instrument=Instrument.of("kPEPE", "USD", "USDC"))
    assert (kilo.id, kilo.hummingbot_pair) == ("kPEPE-USD-PERP@paradex", "kPEPE-USD")


def test_a_market_that_has_told_its_id_is_copied_compared_and_written_like_any_other():
    """The id is kept once it was asked for, beside the fields: no copy keeps another's, and nothing else shows it."""
    asked, fresh = a_market(), a_market()
    assert asked.id == f"{asked.instrument.symbol}@{asked.venue}"
    assert asked == fresh
    assert hash(asked) == hash(fresh)
    assert asked.model_dump() == fresh.model_dump()
    elsewhere = {"venue": "other"}
    copies = [
        asked.replace(**elsewhere),
        asked.trusted_replace(**elsewhere),
        asked.model_copy(update=elsewhere),
        asked.model_copy(update=elsewhere, deep=True),
    ]
    assert {copy.id for copy in copies} == {f"{asked.instrument.symbol}@other"}
    assert pickle.loads(pickle.dumps(asked)).id == asked.id  # noqa: S301


@pytest.mark.parametrize("name", ["tick_size", "step_size", "min_notional", "max_size", "taker_fee", "max_leverage"])
@pytest.mark.parametrize("value", ["1e41", "1e-41", "1e999999999"])
def test_a_rule_that_nobody_can_compute_with_is_none(name: str, value: str):
    """Orders are rounded and checked by it, and a tick of 1e999999999 ends every such sum in an error."""
    with pytest.raises(ValidationError, match="is no number that anything is traded by") as caught:
        a_market(**{name: value})
    assert caught.value.errors()[0]["loc"] == (name,)
    for fits in ("1e40", "1e-40"):
        assert getattr(a_market(**{name: fits}), name) == Decimal(fits)
