"""The catalog finds a market by any of its names, loads once, and never serves two markets under one name."""

from __future__ import annotations

import asyncio

import pytest

from perpkit.core.catalog import MarketCatalog
from perpkit.core.errors import DecodeError, PluginError, UnknownMarketError
from perpkit.core.models import Market
from tests.core.clocks import ManualClock
from tests.core.toys import toy_market


class _Loader:
    def __init__(self, *markets: Market) -> None:
        self.markets = list(markets)
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> list[Market]:
        self.calls += 1
        await self.gate.wait()
        return self.markets


def _catalog(loader: _Loader, clock: ManualClock | None = None) -> MarketCatalog:
    catalog = MarketCatalog("toy", clock or ManualClock())
    catalog.use_loader(loader)
    return catalog


@pytest.mark.parametrize("name", ["BTC-USD-PERP", "BTC-USD-PERP@toy", "BTC_PERP"])
async def test_a_market_is_found_by_each_of_its_names(name: str) -> None:
    """By our symbol, by our id, by the venue's own symbol."""
    catalog = _catalog(_Loader(toy_market("BTC"), toy_market("ETH")))
    assert (await catalog.resolve(name)).symbol == "BTC_PERP"


async def test_a_typo_is_answered_with_the_nearest_name() -> None:
    """The error is the way out."""
    catalog = _catalog(_Loader(toy_market("BTC"), toy_market("ETH")))
    with pytest.raises(UnknownMarketError, match="did you mean BTC-USD-PERP"):
        await catalog.resolve("BTC-USD-PRP")


@pytest.mark.parametrize("name", ["kPEP", "PEPE", "kPEPE"])
async def test_a_base_alone_is_answered_with_its_market(name: str) -> None:
    """Whoever writes the asset, or nearly so, means its perpetual; the rest of a symbol is not held against it."""
    with pytest.raises(UnknownMarketError, match="did you mean kPEPE-USD-PERP"):
        await _catalog(_Loader(toy_market("BTC"), toy_market("kPEPE"))).resolve(name)


async def test_a_market_of_another_venue_is_refused() -> None:
    """An id carries its venue so that a script can't send one venue's market to another."""
    catalog = _catalog(_Loader(toy_market("BTC")))
    with pytest.raises(UnknownMarketError, match="names the venue 'other'; this is toy"):
        await catalog.resolve("BTC-USD-PERP@other")
    with pytest.raises(UnknownMarketError, match="a market of other, not of toy"):
        await catalog.resolve(toy_market("BTC", venue="other"))


async def test_calls_at_the_same_time_share_one_load() -> None:
    """Ten coroutines that start together ask the venue once."""
    loader = _Loader(toy_market("BTC"))
    loader.gate.clear()
    catalog = _catalog(loader)
    waiting = [asyncio.create_task(catalog.resolve("BTC-USD-PERP")) for _ in range(10)]
    await asyncio.sleep(0)
    loader.gate.set()
    await asyncio.gather(*waiting)
    assert loader.calls == 1


async def test_a_new_listing_that_a_user_names_is_found_after_a_minute_and_a_typo_does_not_hammer() -> None:
    """An unknown name reloads the listing, at most once a minute."""
    clock = ManualClock()
    loader = _Loader(toy_market("BTC"))
    catalog = _catalog(loader, clock)
    await catalog.ensure()
    loader.markets.append(toy_market("NEW"))
    for _ in range(3):
        with pytest.raises(UnknownMarketError):
            await catalog.resolve("NEW-USD-PERP")
    assert loader.calls == 1
    clock.advance(60)
    assert (await catalog.resolve("NEW-USD-PERP")).symbol == "NEW_PERP"
    assert loader.calls == 2


async def test_a_new_listing_that_the_venue_speaks_of_is_found_at_once() -> None:
    """A row of the account's can be of a market that is seconds old; leaving it out would look like no position."""
    loader = _Loader(toy_market("BTC"))
    catalog = _catalog(loader)
    await catalog.ensure()
    loader.markets.append(toy_market("NEW"))
    assert [market.symbol for _, market in await catalog.with_markets(["NEW_PERP"], str)] == ["NEW_PERP"]
    assert loader.calls == 2


async def test_a_name_that_is_listed_nowhere_costs_a_load_a_minute() -> None:
    """An account with options has such rows for good. Another name that comes up is looked for at once all the same."""
    clock = ManualClock()
    loader = _Loader(toy_market("BTC"))
    catalog = _catalog(loader, clock)
    await catalog.ensure()
    for _ in range(3):
        assert await catalog.by_symbol("BTC_CALL") is None
    assert loader.calls == 2
    assert await catalog.by_symbol("BTC_PUT") is None
    assert loader.calls == 3
    clock.advance(59)
    assert await catalog.by_symbol("BTC_CALL") is None
    assert loader.calls == 3
    clock.advance(1)
    assert await catalog.with_markets(["BTC_CALL", "BTC_PUT"], str) == []
    assert loader.calls == 4


async def test_a_name_is_looked_for_again_where_the_listing_could_not_be_read() -> None:
    """A load that failed proves nothing."""
    loader = _Loader(toy_market("BTC"))
    catalog = _catalog(loader)
    await catalog.ensure()
    twins = [toy_market("BTC"), toy_market("BTC").replace(symbol="TWIN")]
    loader.markets = twins
    with pytest.raises(PluginError):
        await catalog.by_symbol("NEW_PERP")
    loader.markets = [toy_market("BTC"), toy_market("NEW")]
    assert await catalog.by_symbol("NEW_PERP") is not None


async def test_where_no_row_may_be_left_out_the_market_that_is_lacking_is_named() -> None:
    """A position that can't be shown is an error, never one position less."""
    catalog = _catalog(_Loader(toy_market("BTC")))
    whole = await catalog.with_every_market(iter(["BTC_PERP", "BTC_PERP"]), str, "a position")
    assert [row for row, _ in whole] == ["BTC_PERP", "BTC_PERP"]
    with pytest.raises(DecodeError, match="toy: there is a position in GONE_PERP, which the listing does not hold"):
        await catalog.with_every_market(["BTC_PERP", "GONE_PERP"], str, "a position")


async def test_two_rows_under_one_name_are_refused() -> None:
    """Orders for one of them would go to the other."""
    twin = toy_market("BTC").replace(symbol="BTC_PERP_2")
    with pytest.raises(PluginError, match=r"two markets go by 'BTC-USD-PERP@toy'"):
        await _catalog(_Loader(toy_market("BTC"), twin)).ensure()


async def test_a_market_that_is_listed_twice_with_the_same_rules_is_one() -> None:
    """Orders for it can go to nothing else; with another rule it is not known which holds."""
    markets = _catalog(_Loader(toy_market("BTC"), toy_market("ETH"), toy_market("BTC")))
    await markets.ensure()
    assert list(markets.all) == ["BTC-USD-PERP@toy", "ETH-USD-PERP@toy"]
    other = toy_market("BTC").replace(tick_size="0.25")
    with pytest.raises(PluginError, match="two markets go by"):
        await _catalog(_Loader(toy_market("BTC"), other)).ensure()


async def test_a_failed_load_leaves_what_was_held() -> None:
    """A refresh that breaks must not empty the catalog."""
    loader = _Loader(toy_market("BTC"))
    catalog = _catalog(loader)
    await catalog.ensure()
    loader.markets.append(toy_market("BTC").replace(symbol="TWIN"))
    with pytest.raises(PluginError):
        await catalog.refresh()
    assert list(catalog.all) == ["BTC-USD-PERP@toy"]


async def test_rows_are_put_beside_their_markets_and_others_left_out() -> None:
    """In the rows' order, one market as often as it comes; what is listed nowhere costs one load, not one a row."""
    loader = _Loader(toy_market("BTC"), toy_market("ETH"))
    catalog = _catalog(loader)
    rows = [("a", "ETH_PERP"), ("b", "BTC_CALL"), ("c", "BTC_PERP"), ("d", "BTC_PUT"), ("e", "ETH_PERP")]
    pairs = await catalog.with_markets(rows, lambda row: row[1])
    assert [(row[0], market.symbol) for row, market in pairs] == [
        ("a", "ETH_PERP"),
        ("c", "BTC_PERP"),
        ("e", "ETH_PERP"),
    ]
    assert loader.calls == 1
