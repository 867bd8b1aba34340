"""Everything the venue can send, walked once and held against the contract; nothing is left out unnoticed."""

import ast
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import perpkit.sim.venues.paradex as package
from perpkit.sim.venues.paradex import spec
from perpkit.sim.venues.paradex.channels import PRIVATE
from perpkit.sim.venues.paradex.rpc import METHODS
from perpkit.sim.venues.paradex.server import ROUTES

from . import contract_check
from .harness import Client, Signer, Socket

SOURCES = sorted(Path(package.__file__).parent.glob("*.py"))
CHANNELS = (
    *("account", "balance_events", "positions", "transaction", "transfers", "markets", "markets_summary"),
    *(f"{kind}.ALL" for kind in ("bbo", "fills", "funding_data", "funding_payments", "orders", "trades")),
    *(f"order_book.BTC-USD-PERP.{feed}@15@50ms" for feed in ("snapshot", "deltas", "interactive")),
)
NOT_SERVED = {"/rfq[.{rfq_id}]": "requests for quotes are for options", "/tradebusts": "nothing is ever busted here"}


async def trade(sim, trader, quote):
    """Leave a position, an open order, a closed one, funding, a liquidation and a transfer behind."""
    quote("SELL", "100000", "100")
    quote("BUY", "96500", "100")
    await trader.place(type="MARKET", price="0", size="1")
    sim.clock.advance(timedelta(hours=1))
    trader.token = (await trader.sign_in()).body["jwt_token"]
    await trader.place(type="MARKET", price="0", size="1")
    sim.exchange.deposit(trader.signer.account.address, Decimal(10))
    return await trader.place(client_id="resting", price="99000")


async def test_every_route_answers_as_the_contract_says(sim, trader, quote):
    """Each route's success is called once; a new route that is not called here fails the last line."""
    called = set()

    async def call(method, path, body=None, expect=200, **query):
        answer = await trader.request(method, path, body=body, query=query)  # validates against the contract
        assert answer.status == expect, answer
        template = contract_check.path_template(method, path)
        called.add((method, template))
        return answer

    order = await trade(sim, trader, quote)
    market = {"market": "BTC-USD-PERP"}
    now = sim.clock.now_ms()
    for path in ("/system/config", "/system/state", "/system/time", "/markets", "/markets/history"):
        await call("GET", path)
    await call("GET", "/markets/summary", market="ALL")
    window = {"start_at": now - 3_600_000, "end_at": now}
    assert (await call("GET", "/markets/klines", symbol="BTC-USD-PERP", resolution="60", **window)).results
    for path in ("/orderbook/BTC-USD-PERP", "/bbo/BTC-USD-PERP", "/orderbook/DIME-USD", "/bbo/DIME-USD"):
        await call("GET", path)
        await call("GET", path + "/interactive")
    for path in ("/trades", "/funding/data", "/funding/payments"):
        assert (await call("GET", path, **market)).results
    headers = trader.signer.auth_headers()
    assert (await trader.request("POST", "/auth", headers=headers)).status == 200
    called.add(("POST", "/auth"))
    await call("GET", "/onboarding", account_signer_type="starknet", public_key=trader.signer.public_key)
    called.add(("POST", "/onboarding"))  # its answer has no body; test_rest_auth walks it
    for path in ("/account", "/account/summary", "/account/info"):
        await call("GET", path)
    for path in ("/balance", "/positions", "/fills", "/transfers", "/transactions", "/orders", "/orders-history"):
        assert (await call("GET", path)).results, path
    await call("GET", "/account/margin", **market)
    await call("POST", "/account/margin/ETH-USD-PERP", {"leverage": 5, "margin_type": "CROSS"})
    await call("GET", f"/orders/{order['id']}")
    await call("GET", "/orders/by_client_id/resting")
    await call("PUT", f"/orders/{order['id']}", trader.signer.modification(order, price="98000"))
    await call("DELETE", "/orders/by_client_id/resting", expect=204)
    placed = (await call("POST", "/orders", trader.signer.order(), expect=201)).body
    await call("DELETE", f"/orders/{placed['id']}", expect=204)
    await call("POST", "/orders/batch", [trader.signer.order(price="98000")], expect=201)
    await call("DELETE", "/orders/batch", {"order_ids": [placed["id"], "1"]})
    await call("DELETE", "/orders")
    await trader.place(type="MARKET", price="0", size="38")
    sim.exchange.set_price("BTC-USD-PERP", index=Decimal(97000))
    assert (await call("GET", "/liquidations")).results
    assert (await call("GET", "/account/keys/subkeys")).results
    key = trader.signer.account.subkey_public_key
    await call("GET", f"/account/keys/subkeys/{key}")
    await call("DELETE", f"/account/keys/subkeys/{key}")
    (token,) = (await call("GET", "/account/tokens", kind="api_key")).results
    await call("DELETE", f"/account/tokens/{token['lookup_id']}")
    assert called == {(route.method, route.path) for route in ROUTES}


async def test_every_channel_sends_what_the_contract_says(sim, trader, quote):
    """Each channel brings at least one frame, each frame is validated, and the contract has no others."""
    async with Socket(sim, trader.token) as socket:
        for channel in CHANNELS:
            await socket.subscribe(channel)
        await trade(sim, trader, quote)
        await trader.place(side="SELL", price="101000", size="40")
        sim.exchange.set_price("BTC-USD-PERP", index=Decimal(98000))
        sim.exchange.settle_market("ETH-USD-PERP", Decimal(4000))
        for channel in CHANNELS:
            await socket.wait(channel)
    served = {contract_check.channel_key(channel) for channel in CHANNELS}
    assert served | set(NOT_SERVED) == set(contract_check.channel_patterns())
    private = {channel.partition(".")[0] for channel in CHANNELS} & PRIVATE
    assert private == PRIVATE


def test_every_method_of_the_contract_is_served():
    """openrpc.json's list and the venue's are the same; test_ws_private and test_ws_public call each."""
    assert set(contract_check.OPENRPC) == METHODS


def raised_codes():
    """Return every error code that a source of the venue names in an ApiError."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ApiError":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield path.name, first.value
            if (
                isinstance(node, ast.Tuple)
                and len(node.elts) == 2
                and all(isinstance(e, ast.Constant) for e in node.elts)
            ):
                code, status = (e.value for e in node.elts)
                if isinstance(code, str) and code.isupper() and isinstance(status, int):
                    yield path.name, code


def test_every_error_code_is_one_of_the_contracts():
    """No refusal uses a code that the contract does not list."""
    codes = set(raised_codes())
    assert len(codes) > 30
    assert {(name, code) for name, code in codes if code not in spec.error_codes()} == set()


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
async def test_every_private_route_refuses_without_a_token_and_an_unknown_parameter(sim, trader, anybody, route):
    """401 without a token where one is due; 400 naming a query parameter that the contract lacks."""
    path = route.path
    for name in ("market", "order_id", "client_id", "public_key", "lookup_id"):
        path = path.replace("{" + name + "}", "BTC-USD-PERP" if name == "market" else "1")
    if route.access != "public":
        assert (await anybody.request(route.method, path)).refusal == (401, "INVALID_TOKEN")
    answer = await trader.request(route.method, path, query={"nonsense": "1"})
    assert answer.refusal == (400, "INVALID_REQUEST_PARAMETER")
    assert "nonsense" in answer.body["message"]


async def test_the_sims_own_faults_do_not_pass_the_contract(sim):
    """The check can fail: a field too many, a wrong type, a missing body are found."""
    good = {"status": "ok"}
    assert contract_check.rest_errors("GET", "/system/state", 200, good) == []
    assert contract_check.rest_errors("GET", "/system/state", 200, good | {"extra": 1})
    assert contract_check.rest_errors("GET", "/system/state", 200, {"status": "fine"})
    assert contract_check.rest_errors("GET", "/system/time", 200, {"server_time": 5})
    assert contract_check.rest_errors("DELETE", "/orders/{order_id}", 204, {})
    frame = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "trades.BTC-USD-PERP", "data": {}}}
    assert contract_check.frame_errors(frame)
    async with Client(sim, Signer(sim, sim.accounts[0])) as client:
        assert client.token
