"""Credentials, sign-in, signatures and clocks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import (
    AuthError,
    ConfigError,
    CredentialsError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
)
from perpkit.core.models import Order, OrderType, Side
from perpkit.core.venue import Venue
from perpkit.sim.faults import Fault
from perpkit_conformance.fixtures import has
from perpkit_conformance.suite.calls import PUBLIC, Caller
from perpkit_conformance.suite.trading import Trader, assert_same, opened_with
from perpkit_conformance.target import Target

PRIVATE_READS = ("fetch_account", "fetch_balances", "fetch_positions", "fetch_open_orders")


@pytest.fixture
def private(request: pytest.FixtureRequest, description: VenueDescription) -> str:
    """A private read that the plugin has."""
    hooks = description.capabilities.hooks
    has(request, "private_reads", hooks & set(PRIVATE_READS))
    return next(each for each in PRIVATE_READS if each in hooks)


@pytest.mark.rule("signatures-verify")
@pytest.mark.needs("place_order")
async def test_every_kind_of_signed_command_verifies(target: Target, venue: Venue) -> None:
    """Both sides, each order type, an amendment, a cancel: the exchange, which verifies each signature, takes them."""
    trader = await Trader.of(target, venue)
    target.quote(size=trader.size(100_000))
    for side in Side:
        for kind in sorted(venue.capabilities.order_types):
            fields: dict[str, object] = {"type": kind}
            if kind.has_trigger:
                rises = (side is Side.BUY) == (kind in {OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
                fields["trigger_price"] = trader.price("1.01" if rises else "0.99")
            came = await trader.attempt(trader.intent(side, **fields))
            assert isinstance(came, Order), f"a {kind} to {side} was not taken: {came!r}"
            assert trader.true(came).side is side
    order = await trader.place()
    if "amend_order" in venue.capabilities.hooks:
        order = await target.run(venue.amend_order(order, price=trader.price("0.975")))
        assert trader.true(order).price == trader.price("0.975")


@pytest.mark.rule("signatures-verify")
@pytest.mark.needs("place_order")
async def test_another_accounts_key_signs_nothing(request: pytest.FixtureRequest, target: Target) -> None:
    """
    The exchange does verify: the first account's address with the second one's key is refused; where the address is a
    secret itself, as an API key is, so is each of them with the other account's rest.
    """
    mixtures = _mixtures(target)
    has(request, "keys_apart", mixtures)
    for foreign, settings in mixtures.items():
        came: object
        try:
            async with opened_with(target, settings) as venue:
                trader = await Trader.of(target, venue)
                came = await trader.attempt(trader.intent())
        except PerpkitError as error:
            came = error
        signed_wrong = isinstance(came, OrderRejectedError) and came.reason is RejectReason.INVALID_SIGNATURE
        refused = isinstance(came, AuthError | CredentialsError | ConfigError) or signed_wrong
        assert refused, f"another account's {foreign} came to {came!r}"
        assert not [order for account in (0, 1) for order in target.truth(account).orders()]


def _mixtures(target: Target) -> dict[str, dict[str, Any]]:
    """Return settings that belong to two accounts, by what is the second one's: all secrets, or one of several."""
    mine, theirs = target.profile.settings(target.local), target.profile.settings(target.local, account=1)
    secrets = set(target.profile.secrets(target.local))
    names = [name for name, value in mine.items() if value in secrets]
    swapped = {name: theirs[name] for name in names}
    if {**mine, **swapped} not in (mine, theirs):
        return {" and ".join(names): {**mine, **swapped}}
    return {name: {**mine, name: value} for name, value in swapped.items()} if len(names) > 1 else {}


# Bad credentials


@pytest.mark.rule("bad-credentials-are-named")
async def test_a_malformed_credential_is_named_before_anything_is_sent(
    request: pytest.FixtureRequest, target: Target, private: str
) -> None:
    """Each kind of nonsense: CredentialsError that names the setting and shows no secret; nothing arrives."""
    bad = target.profile.bad_settings(target.local)
    has(request, "malformed_credentials", bad)
    for what, settings in bad.items():
        before = sum(target.arrivals.requests.values()) + target.arrivals.handshakes
        error: Exception | None = None
        try:
            async with opened_with(target, settings) as venue:
                await target.run(getattr(venue, private)())
        except PerpkitError as caught:
            error = caught
        after = sum(target.arrivals.requests.values()) + target.arrivals.handshakes
        assert isinstance(error, ConfigError), f"{what}: expected CredentialsError or ConfigError, came {error!r}"
        assert after == before, f"{what}: {after - before} requests were sent with it"
        good = target.profile.settings(target.local)
        named = [name for name in settings if name in str(error)]
        assert named, (
            f"{what}: the message names none of {[n for n in settings if settings[n] != good.get(n)]}: {error}"
        )


@pytest.mark.rule("bad-credentials-are-named")
async def test_padded_credentials_work(target: Target, private: str) -> None:
    """A blank and a line end that came along when a key was copied are no part of it."""
    secrets = set(target.profile.secrets(target.local))
    settings = target.profile.settings(target.local)
    padded = {name: f" {value}\n" for name, value in settings.items() if value in secrets}
    assert padded, "the profile's secrets are not among its settings"
    try:
        async with opened_with(target, {**settings, **padded}) as venue:
            await target.run(getattr(venue, private)())
    except PerpkitError as error:
        pytest.fail(f"{', '.join(padded)} with a blank before and a line end behind: {error!r}")


@pytest.mark.rule("bad-credentials-are-named")
async def test_public_data_needs_no_credentials(target: Target, private: str) -> None:
    """Without any, markets and books come; a private call says what is missing, and sends nothing."""
    target.quote()
    venue = await target.open(key="none")
    caller = Caller(target, venue)
    for hook in sorted(PUBLIC & venue.capabilities.hooks):
        came = await caller.attempt(caller.reads[hook][0])
        assert not isinstance(came, PerpkitError), f"{hook} is public, and without credentials came to {came!r}"
    before = sum(target.arrivals.requests.values())
    came = await caller.attempt(caller.reads[private][0])
    assert isinstance(came, ConfigError), f"a private call without credentials came to {came!r}"
    assert sum(target.arrivals.requests.values()) == before, "a private call without credentials was sent"


@pytest.mark.rule("bad-credentials-are-named")
@pytest.mark.needs("place_order")
async def test_every_kind_of_credential_does_what_it_may(target: Target, private: str) -> None:
    """Each can read; one that may not trade is refused as AuthError or ConfigError, and nothing is placed."""
    for key in target.profile.key_kinds():
        venue = await target.open(key=key)
        await target.run(getattr(venue, private)())
        trader = await Trader.of(target, venue)
        # The last one's order may have this moment as its nonce.
        target.advance(timedelta(milliseconds=100))
        before = len(trader.truth.orders())
        came = await trader.attempt(trader.intent())
        if not isinstance(came, Order):
            assert isinstance(came, AuthError | ConfigError), f"credential {key}: an order came to {came!r}"
            assert len(trader.truth.orders()) == before


# The wrong place


@pytest.mark.rule("wrong-environment-is-detected")
async def test_another_environments_settings_are_refused_with_a_hint(
    request: pytest.FixtureRequest, target: Target, private: str
) -> None:
    """What is signed for elsewhere is worth nothing here: said as such, and nothing is placed."""
    settings = target.profile.wrong_environment(target.local)
    has(request, "environments_apart", settings is not None)
    assert settings is not None
    error: PerpkitError | None = None
    try:
        async with opened_with(target, settings) as venue:
            await target.run(getattr(venue, private)())
    except PerpkitError as caught:
        error = caught
    assert isinstance(error, ConfigError | AuthError), f"expected ConfigError or AuthError, came {error!r}"
    words = ("chain", "environment", "testnet", "mainnet", "network")
    assert any(word in str(error).lower() for word in words), f"no hint that it is the wrong environment: {error}"
    assert not target.truth().orders()


# Tokens


@pytest.mark.rule("tokens-refresh-early")
async def test_many_callers_sign_in_once(request: pytest.FixtureRequest, target: Target, private: str) -> None:
    """Ten first calls at once, one sign-in; later calls none."""
    fault = _count_sign_ins(request, target)
    venue = await target.open()
    read = getattr(venue, private)
    await target.run(asyncio.gather(*(read() for _ in range(10))))
    assert fault.hits <= 1, f"ten callers made {fault.hits} sign-ins"
    for _ in range(5):
        target.advance(timedelta(seconds=5))
        await target.run(read())
    assert fault.hits <= 1, f"{fault.hits} sign-ins within half a minute"


def _count_sign_ins(request: pytest.FixtureRequest, target: Target) -> Fault:
    has(request, "sign_in", "sign_in" in target.profile.http_faults)
    return target.inject("sign_in", "extra_fields", times=None)


@pytest.mark.rule("tokens-refresh-early")
@pytest.mark.usefixtures("private")
async def test_a_token_serves_many_calls(target: Target, venue: Venue) -> None:
    """Whether it is asked for or made here: twenty reads in five minutes bear a few of them, not twenty."""
    hooks = [each for each in PRIVATE_READS if each in venue.capabilities.hooks]
    for number in range(20):
        await target.run(getattr(venue, hooks[number % len(hooks)])())
        target.advance(timedelta(seconds=15))
    tokens = target.arrivals.tokens - {""}
    assert len(tokens) <= 4, f"20 reads in 5 minutes bore {len(tokens)} different tokens"


@pytest.mark.rule("tokens-refresh-early")
async def test_an_hour_of_reads_meets_no_refusal_and_few_sign_ins(
    request: pytest.FixtureRequest, target: Target, private: str
) -> None:
    """A read each half minute: no 401 ever, and far fewer sign-ins than reads."""
    fault = _count_sign_ins(request, target)
    venue = await target.open()
    read = getattr(venue, private)
    for _ in range(120):
        await target.run(read())
        target.advance(timedelta(seconds=30))
    refused = [each for each in target.recordings.replies() if each.status == 401]
    assert not refused, f"{len(refused)} requests went out with an expired token"
    assert 1 <= fault.hits <= 40, f"120 reads in an hour took {fault.hits} sign-ins"


@pytest.mark.rule("tokens-refresh-early")
async def test_an_expired_token_costs_one_retry_for_all(
    request: pytest.FixtureRequest, target: Target, private: str
) -> None:
    """Every token ends at once: five callers see no error, and share one new sign-in."""
    fault = _count_sign_ins(request, target)
    venue = await target.open()
    read = getattr(venue, private)
    await target.run(read())
    before = fault.hits
    target.control.expire_tokens()
    results = await target.run(asyncio.gather(*(read() for _ in range(5)), return_exceptions=True))
    failed = [each for each in results if isinstance(each, BaseException)]
    assert not failed, f"an expired token reached the caller: {failed[0]!r}"
    assert fault.hits - before == 1, f"five callers made {fault.hits - before} sign-ins"


@pytest.mark.rule("tokens-refresh-early")
async def test_a_token_that_is_refused_again_is_an_error_and_no_storm(
    request: pytest.FixtureRequest, target: Target, private: str
) -> None:
    """One retry, then AuthError."""
    has(request, "sign_in", "sign_in" in target.profile.http_faults)
    venue = await target.open()
    hook = private
    await target.run(getattr(venue, hook)())
    fault = target.inject(hook, "expire_tokens", times=None)
    with pytest.raises(AuthError):
        await target.run(getattr(venue, hook)())
    assert fault.hits <= 3, f"a refused token was tried {fault.hits} times"


@pytest.mark.rule("tokens-refresh-early")
@pytest.mark.needs("place_order")
async def test_an_order_with_an_expired_token_goes_through_once(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """The refusal comes before processing: repeated with a new token, placed once."""
    has(request, "sign_in", "sign_in" in target.profile.http_faults)
    trader = await Trader.of(target, venue)
    await trader.place()
    target.control.expire_tokens()
    came = await trader.attempt(trader.intent())
    assert isinstance(came, Order), f"an order with an expired token came to {came!r}"
    assert len(trader.truth.orders()) == 2


# Sub-keys


@pytest.mark.rule("sub-keys-act-for-the-account")
@pytest.mark.needs("fetch_positions", "fetch_open_orders")
async def test_every_key_sees_the_accounts_own(target: Target) -> None:
    """Position, balance and order of the account, whichever of its keys asks."""
    trader = await Trader.of(target, await target.open())
    target.quote(size=trader.size(100_000))
    target.submit(Side.BUY, trader.size(2000))
    target.submit(Side.BUY, trader.size(), price=trader.price("0.98"))
    truth = trader.truth
    for key in target.profile.key_kinds():
        venue = await target.open(key=key)
        held = {each.market_id: each.size for each in await target.run(venue.fetch_positions())}
        expected = {trader.market.id: trader.position()}
        assert held == expected, f"credential {key}: expected {expected} from the ledger, came {held}"
        standing = {each.venue_order_id for each in await target.run(venue.fetch_open_orders())}
        assert standing == {each.id for each in truth.open_orders()}, f"credential {key}: open orders {standing}"
        if "fetch_balances" in venue.capabilities.hooks:
            cash = {each.asset: each.total for each in await target.run(venue.fetch_balances())}
            assert cash == truth.balances(), f"credential {key}: expected {truth.balances()}, came {cash}"


@pytest.mark.rule("sub-keys-act-for-the-account")
@pytest.mark.needs("place_order", "fetch_order")
async def test_what_a_sub_key_places_is_the_accounts(request: pytest.FixtureRequest, target: Target) -> None:
    """The ledger books it on the account, and the main key sees it."""
    has(request, "sub_keys", "subkey" in target.profile.key_kinds())
    trader = await Trader.of(target, await target.open(key="subkey"))
    order = await trader.place()
    truth = trader.true(order)
    main = await target.open()
    assert_same(await target.run(main.fetch_order(order)), truth, "fetch_order with the main key")


# Clocks and neighbours


@pytest.mark.rule("clock-skew-is-handled")
@pytest.mark.needs("place_order")
@pytest.mark.parametrize("error", [timedelta(seconds=60), timedelta(seconds=-60)], ids=["fast", "slow"])
async def test_a_clock_that_is_off_by_a_minute_signs_good_orders(target: Target, error: timedelta) -> None:
    """From opening on: orders are taken, their window counts by the venue's clock."""
    target.clock.error = error
    trader = await Trader.of(target, await target.open())
    came = await trader.attempt(trader.intent(**trader.window(timedelta(seconds=20))))
    assert isinstance(came, Order), f"with a clock off by {error} an order came to {came!r}"
    signed = trader.true(came)
    assert signed.client_id, "it was placed"


@pytest.mark.rule("clock-skew-is-handled")
@pytest.mark.needs("place_order")
async def test_a_clock_that_jumps_later_costs_one_refusal_at_most(target: Target, venue: Venue) -> None:
    """Set wrong after the first order: at most one is refused for its time, none is unknown, and then they pass."""
    trader = await Trader.of(target, venue)
    await trader.place()
    target.clock.error = timedelta(minutes=2)
    came = [await trader.attempt(trader.intent()) for _ in range(4)]
    refused = [each for each in came if not isinstance(each, Order)]
    assert len(refused) <= 1, f"{len(refused)} of 4 orders failed after the clock was set wrong: {refused}"
    assert not any(isinstance(each, OutcomeUnknownError) for each in refused), f"came {refused}"
    assert len(trader.truth.orders()) == 5 - len(refused)


@pytest.mark.rule("clock-skew-is-handled")
@pytest.mark.needs("place_order", "fetch_open_orders")
async def test_two_accounts_in_one_process_do_not_mix(target: Target) -> None:
    """Commands of both at once: each ledger has its own, each venue sees its own, streams too."""
    traders = [await Trader.of(target, await target.open(account=number), account=number) for number in (0, 1)]
    shares = ("0.98", "0.97")
    work = [
        trader.send(trader.intent(price=trader.price(share) - n * trader.market.tick_size))
        for n in range(5)
        for trader, share in zip(traders, shares, strict=True)
    ]
    await target.run(asyncio.gather(*work))
    for trader, share in zip(traders, shares, strict=True):
        prices = {trader.price(share) - n * trader.market.tick_size for n in range(5)}
        kept = {each.price for each in trader.truth.orders()}
        assert kept == prices, f"account {trader.account}: expected {prices}, the ledger has {kept}"
        seen = {each.price for each in await target.run(trader.venue.fetch_open_orders())}
        assert seen == prices, f"account {trader.account}: expected {prices}, came {seen}"


@pytest.mark.rule("clock-skew-is-handled")
@pytest.mark.needs("place_order", "fetch_balances")
@pytest.mark.target(deposit=Decimal(50))
async def test_an_account_without_means_is_refused_for_margin(target: Target, venue: Venue) -> None:
    """Not for its signature, its clock or its key: the reason is the ledger's."""
    trader = await Trader.of(target, venue)
    _, reason = await trader.refusal(trader.intent(size=trader.size(90_000)))
    assert reason is RejectReason.MARGIN, f"the account has {trader.truth.balances()}, came {reason}"
