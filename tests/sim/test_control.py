"""The back door, in the same process and over HTTP: it does what it says and shows the truth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import Side
from perpkit.sim import control_http
from perpkit.sim.control import PricePoint
from perpkit.sim.markets import SystemStatus
from perpkit.sim.orders import CloseReason, OrderState
from perpkit.sim.plain import plain
from tests.sim.toy_venue import ToyVenue
from tests.sim.world import World

D = Decimal


@pytest.fixture
def venue() -> ToyVenue:
    """A venue that is not even running: its back door works all the same."""
    return ToyVenue()


@pytest.fixture
async def served() -> AsyncIterator[ToyVenue]:
    """A venue with its back door open over HTTP."""
    async with ToyVenue() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Another process, so to speak."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


def test_liquidity_is_placed_taken_and_taken_back(venue):
    """Levels stand as asked for, trades move the last price, clearing leaves nothing."""
    venue.control.place_liquidity("BTC", bids=[(D(990), D(2))], asks=[(D(1010), D(3)), (D(1020), D(1))])
    venue.control.trade("BTC", Side.BUY, D(1))
    book = venue.exchange.book("BTC")
    assert [(level.price, level.size) for level in book.asks] == [(D(1010), D(2)), (D(1020), D(1))]
    assert venue.exchange.stats("BTC").last_price == 1010
    venue.control.clear_liquidity()
    assert venue.exchange.book("BTC").bids == venue.exchange.book("BTC").asks == ()
    venue.control.check_invariants()


def test_quotes_stand_around_the_index(venue):
    """Three levels on each side, a tick apart, the first a tick from the index."""
    ids = venue.control.quote("BTC", levels=3, size=D(2))
    book = venue.exchange.book("BTC")
    assert [level.price for level in book.bids] == [D("999.5"), D(999), D("998.5")]
    assert [level.price for level in book.asks] == [D("1000.5"), D(1001), D("1001.5")]
    assert len(ids) == 6


def test_clearing_without_liquidity_is_no_error(venue):
    """There may be nothing to clear."""
    venue.control.clear_liquidity("BTC")
    assert venue.exchange.book("BTC").bids == ()


def test_prices_follow_a_path(venue):
    """Each point at its time; a stopped path goes no further."""
    seconds = [timedelta(seconds=n) for n in range(4)]
    venue.control.play_prices(
        "BTC",
        [
            PricePoint(seconds[1], D(1010)),
            PricePoint(seconds[2], D(1020), D(1025)),
            PricePoint(seconds[3], D(1030)),
        ],
    )
    seen = []
    for _ in range(3):
        venue.control.advance(seconds[1])
        seen.append((venue.exchange.index_price("BTC"), venue.exchange.mark_price("BTC")))
        if len(seen) == 2:
            venue.control.stop_prices()
    assert seen == [(D(1010), D(1010)), (D(1020), D(1025)), (D(1020), D(1025))]


def test_status_and_accounts_are_in_its_hand(venue):
    """Each call does its one thing."""
    venue.control.set_system_status(SystemStatus.CANCEL_ONLY)
    venue.control.set_market_status("ETH", MarketStatus.HALTED)
    venue.control.deposit("ann", D(5))
    venue.control.withdraw("ann", D(3))
    venue.control.set_funding_rate("BTC", D("0.01"))
    assert venue.exchange.system_status is SystemStatus.CANCEL_ONLY
    assert venue.exchange.market("ETH").status is MarketStatus.HALTED
    assert venue.exchange.account("ann").cash == 100_002
    assert venue.exchange.funding("BTC").rate == D("0.01")


def test_the_venue_may_cancel_and_liquidate():
    """Whatever the client's standing: its order goes with the venue's own reason, its position is closed."""
    venue = ToyVenue()
    world = World.__new__(World)
    world.exchange = venue.exchange
    venue.control.place_liquidity("BTC", asks=[(D(1000), D(1))], bids=[(D(999), D(5))])
    resting = world.order("ann", "buy", 1, 900)
    world.order("ann", "buy", 1, 1000)
    venue.control.cancel_order("ann", resting.id)
    assert world.now("ann", resting).close_reason is CloseReason.ADMIN
    venue.control.liquidate("ann")
    assert world.size("ann") == 0
    venue.control.check_invariants()


def test_decisions_can_be_held_from_behind(venue):
    """Orders stay new until released."""
    world = World.__new__(World)
    world.exchange = venue.exchange
    venue.control.hold_decisions()
    order = world.order("ann", "buy", 1, 900)
    assert order.state is OrderState.NEW
    venue.control.release_decisions()
    assert world.now("ann", order).state is OrderState.OPEN


def test_faults_are_planned_by_plain_words(venue):
    """Actions and targets by their names; a wrong one is refused; clearing clears."""
    fault = venue.control.inject("gap", target="frame", match="trades.*", times=None)
    assert venue.faults.faults == [fault]
    with pytest.raises(ValueError, match="explode"):
        venue.control.inject("explode")
    venue.control.clear_faults()
    assert venue.faults.faults == []


def test_the_truth_is_plain_json_without_a_float(venue):
    """Every number that is money is text, and the whole survives a trip through JSON."""
    world = World.__new__(World)
    world.exchange = venue.exchange
    venue.control.quote("BTC")
    world.order("ann", "buy", "1.5", 1002, client_id="c", meta={"secret": object()})
    for truth in (venue.control.read_account("ann"), venue.control.read_market("BTC"), venue.control.read_state()):
        assert json.loads(json.dumps(truth, allow_nan=False), parse_float=pytest.fail) == truth
    account = venue.control.read_account("ann")
    assert account["positions"][0]["size"] == "1.5"
    assert account["orders"][0]["client_id"] == "c"
    assert account["orders"][0]["remaining_size"] == "0.0"
    assert "meta" not in account["orders"][0]
    assert D(account["summary"]["cash"]) == venue.exchange.account("ann").cash


def test_plain_refuses_what_it_does_not_know():
    """A float or a set is no record of the exchange; small numbers have no exponent."""
    assert plain(D("1E-9")) == "0.000000001"
    for strange in (1.5, {1}, object()):
        with pytest.raises(TypeError):
            plain(strange)


# Over HTTP


async def post(venue: ToyVenue, client: aiohttp.ClientSession, command: str, **arguments: object) -> tuple[int, dict]:
    """Post a command; return status and answer."""
    async with client.post(f"{venue.control_url}/{command}", json=arguments) as response:
        return response.status, await response.json()


async def test_every_command_works_over_http(served, client):
    """Each is posted once with arguments that fit, and has its effect; none is left out."""
    calls: list[tuple[str, dict]] = [
        ("place_liquidity", {"market": "BTC", "bids": [["990", "2"]], "asks": [["1010", "2"]]}),
        ("quote", {"market": "BTC", "levels": 2, "size": "3"}),
        ("trade", {"market": "BTC", "side": "BUY", "size": "1"}),
        ("set_price", {"market": "BTC", "index": "1001", "mark": "1002"}),
        ("play_prices", {"market": "BTC", "path": [{"after_ms": 500, "index": "1005"}]}),
        ("set_funding_rate", {"market": "BTC", "rate": "0.0002"}),
        ("deposit", {"account": "ann", "amount": "10"}),
        ("withdraw", {"account": "ann", "amount": "4"}),
        ("set_market_status", {"market": "ETH", "status": "post_only"}),
        ("set_system_status", {"status": "ok"}),
        ("hold_decisions", {}),
        ("release_decisions", {}),
        ("inject", {"action": "status", "match": "GET /nothing", "status": 503}),
        ("advance", {"by_ms": 1000}),
        ("stop_prices", {}),
        ("liven", {"market": "ETH"}),
        ("still", {}),
        ("expire_tokens", {}),
        ("clear_faults", {}),
        ("liquidate", {"account": "ann"}),
        ("cancel_order", {"account": "ann", "order": served.place(D(900))}),
        ("clear_liquidity", {"market": "BTC"}),
        ("settle_market", {"market": "ETH", "price": "101"}),
        ("check_invariants", {}),
    ]
    assert {name for name, _ in calls} == set(control_http.COMMANDS)
    started = served.clock.now_ms()
    for name, arguments in calls:
        status, answer = await post(served, client, name, **arguments)
        assert status == 200, (name, answer)
    assert served.clock.now_ms() == started + 1000
    assert served.exchange.index_price("BTC") == 1005
    assert served.exchange.account("ann").cash == 100_006
    assert served.exchange.market("ETH").status is MarketStatus.SETTLED
    assert served.expired == 1


async def test_the_truth_can_be_read_over_http(served, client):
    """The same as in the process."""
    for path, truth in (
        ("accounts/ann", served.control.read_account("ann")),
        ("markets/BTC", served.control.read_market("BTC")),
    ):
        async with client.get(f"{served.control_url}/{path}") as response:
            found = await response.json()
        for part in (found, truth):
            part.get("funding", {}).pop("sequence", None)  # a new one each time it is read
        assert found == truth
    async with client.get(f"{served.control_url}/state") as response:
        state = await response.json()
    assert state["accounts"] == ["ann"]
    assert state["commands"] == sorted(control_http.COMMANDS)


@pytest.mark.parametrize(
    ("command", "arguments", "word"),
    [
        ("explode", {}, "explode"),
        ("set_price", {}, "market"),
        ("set_price", {"market": "DOGE", "index": "1"}, "DOGE"),
        ("set_price", {"market": "BTC", "index": "much"}, "index"),
        ("set_price", {"market": "BTC", "index": "NaN"}, "index"),
        ("set_price", {"market": "BTC", "index": True}, "index"),
        ("deposit", {"account": "eve", "amount": "1"}, "eve"),
        ("deposit", {"account": "ann", "amount": "1", "asset": "X"}, "asset"),
        ("advance", {"by_ms": "1000"}, "by_ms"),
        ("advance", {"by_ms": -1}, "back"),
        ("trade", {"market": "BTC", "side": "up", "size": "1"}, "up"),
        ("place_liquidity", {"market": "BTC", "bids": [["1"]]}, "bids"),
        ("play_prices", {"market": "BTC", "path": [{"after_ms": 1, "index": "5", "x": 1}]}, "x"),
        ("inject", {"action": "gap"}, "gap"),
        ("inject", {}, "action"),
    ],
)
async def test_bad_arguments_are_refused_by_name(served, client, command, arguments, word):
    """The answer says which, and nothing has changed."""
    before = served.control.read_account("ann"), served.control.read_state()
    status, answer = await post(served, client, command, **arguments)
    assert status in {400, 404}
    assert word in answer["error"]
    assert (served.control.read_account("ann"), served.control.read_state()) == before


async def test_a_body_that_is_no_object_is_refused(served, client):
    """A list and broken JSON."""
    for body in ("[1]", "{"):
        async with client.post(f"{served.control_url}/advance", data=body) as response:
            assert response.status == 400


async def test_a_web_page_is_refused(served, client):
    """A browser says where its page is from; the back door is not for it."""
    async with client.get(f"{served.control_url}/state", headers={"Origin": "http://example.com"}) as response:
        assert response.status == 403


async def test_faults_do_not_strike_the_back_door(served, client):
    """Otherwise nobody could take them back."""
    served.control.inject("status", match="*", times=None)
    assert (await post(served, client, "clear_faults"))[0] == 200
    assert served.faults.log == []
