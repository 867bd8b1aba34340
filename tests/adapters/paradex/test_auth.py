"""Signing in: early, by one request for all, once again after a 401, never on a guess about chain or time."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from datetime import timedelta

import pytest

from perpkit.adapters.paradex import auth
from perpkit.adapters.paradex.auth import ServerClock, SingleFlight, TokenKeeper
from perpkit.adapters.paradex.config import ParadexSettings
from perpkit.adapters.paradex.credentials import CredentialKind, Credentials
from perpkit.adapters.paradex.schema import SystemConfig
from perpkit.adapters.paradex.signing import NativeSigner
from perpkit.core.errors import (
    AuthError,
    ConfigError,
    CredentialsError,
    DecodeError,
    NotSentError,
    RequestTimeoutError,
)
from perpkit.core.models import OrderIntent, Side
from perpkit.core.transport.redact import Redactor, Secret
from perpkit.crypto.stark import verify
from tests.adapters.paradex.stub import ACCOUNT, CHAIN, KEY, Says, StubVenue, no, token
from tests.core.clocks import ManualClock

BALANCE = {"results": [{"token": "USDC", "size": "1", "last_updated_at": 1}]}
SUMMARY = {
    "account": ACCOUNT,
    "account_value": "1",
    "free_collateral": "1",
    "initial_margin_requirement": "0",
    "maintenance_margin_requirement": "0",
    "total_collateral": "1",
    "settlement_asset": "USDC",
}


class SignIn:
    """Counts sign-ins; each gives another token, or fails."""

    def __init__(self, life=300):
        self.count = 0
        self.life = life
        self.failure = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.count += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return token(self.count, self.life)


def keeper(sign_in, clock):
    return TokenKeeper(sign_in, clock, Redactor())


# The keeper


async def test_a_token_serves_three_fifths_of_its_life():
    """A five-minute token is renewed after three minutes; not on every call, not after it has expired."""
    clock, sign_in = ManualClock(), SignIn()
    tokens = keeper(sign_in, clock)
    first = await tokens.token()
    for _ in range(179):
        clock.advance(1)
        assert await tokens.token() is first
    assert sign_in.count == 1
    clock.advance(1)
    assert await tokens.token() is not first
    assert sign_in.count == 2


async def test_a_token_s_own_dates_say_how_long_it_lives():
    """Its two dates are of one clock, so ours may be off by any amount."""
    clock, sign_in = ManualClock(), SignIn(life=3600)
    tokens = keeper(sign_in, clock)
    await tokens.token()
    clock.advance(2159)
    await tokens.token()
    assert sign_in.count == 1
    clock.advance(1)
    await tokens.token()
    assert sign_in.count == 2


def jwt(claims, parts=3, signature="signature"):
    """Return a token that holds these claims, without padding, as JWTs are."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return ".".join(["head", body, signature, "more"][:parts])


DATED = {"iat": 1_700_000_000, "exp": 1_700_001_000}


@pytest.mark.parametrize(
    ("text", "life"),
    [
        *((jwt({**DATED, "sub": "x" * more}), 1000) for more in range(4)),
        *((jwt({**DATED, "sub": "x" * more}, signature="of four."[:4]), 1000) for more in range(3)),
        (jwt({"iat": "1700000000", "exp": "1700001000"}), 1000),
        (jwt(DATED, parts=2), 300),
        (jwt(DATED, parts=4), 300),
        (jwt({"exp": 1_700_001_000}), 300),
        (jwt({"iat": 1_700_000_000, "exp": 1_700_000_000}), 300),
        (jwt({"iat": 1_700_000_001, "exp": 1_700_000_000}), 300),
        (jwt({"iat": 1, "exp": 10**15}), 300),
        ("head.no base64 at all.signature", 300),
        ("opaque", 300),
    ],
)
async def test_a_token_without_good_dates_is_taken_to_live_five_minutes(text, life):
    """It is renewed after three fifths of what it says, or of five minutes where it says nothing that can be."""
    clock, count = ManualClock(), itertools.count()

    async def sign_in():
        next(count)
        return text

    tokens = keeper(sign_in, clock)
    await tokens.token()
    clock.advance(life * 0.6 - 1)
    await tokens.token()
    assert next(count) == 1
    clock.advance(1)
    await tokens.token()
    assert next(count) == 3


async def test_a_token_is_hidden_from_the_moment_it_is_got():
    """In all that is logged and raised, the newer one too; whatever it looks like."""
    clock, redactor, count = ManualClock(), Redactor(), itertools.count(1)

    async def sign_in():
        return f"opaque-session-{next(count)}"

    tokens = TokenKeeper(sign_in, clock, redactor)
    for number in (1, 2):
        assert f"opaque-session-{number}" in redactor.text(f"got opaque-session-{number}")
        await tokens.token()
        assert f"opaque-session-{number}" not in redactor.text(f"got opaque-session-{number}")
        clock.advance(200)


async def test_many_callers_share_one_sign_in():
    """A burst of calls on a fresh session signs in once."""
    sign_in = SignIn()
    sign_in.gate.clear()
    tokens = keeper(sign_in, ManualClock())
    calls = [asyncio.create_task(tokens.token()) for _ in range(20)]
    await asyncio.sleep(0)
    sign_in.gate.set()
    assert len({await call for call in calls}) == 1
    assert sign_in.count == 1


async def test_a_caller_that_is_cancelled_does_not_stop_the_sign_in_of_the_rest():
    """Cancellation at this await is safe."""
    sign_in = SignIn()
    sign_in.gate.clear()
    tokens = keeper(sign_in, ManualClock())
    one, other = asyncio.create_task(tokens.token()), asyncio.create_task(tokens.token())
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    sign_in.gate.set()
    assert (await other).reveal() == token(1)
    assert one.cancelled()
    assert sign_in.count == 1


async def test_a_failed_renewal_leaves_the_old_token_while_it_is_good(caplog):
    """The network failed after three minutes; for a minute and a half more the old one serves, and it is told."""
    clock, sign_in = ManualClock(), SignIn()
    tokens = keeper(sign_in, clock)
    first = await tokens.token()
    sign_in.failure = RequestTimeoutError("no answer")
    clock.advance(200)
    assert await tokens.token() is first
    assert "the old one is still good" in caplog.text
    clock.advance(70)
    with pytest.raises(RequestTimeoutError):
        await tokens.token()


async def test_a_first_sign_in_that_fails_gives_no_token():
    """There is no old one to go on with, also where the machine has just been started."""

    class Young(ManualClock):
        def monotonic(self):
            return super().monotonic() - 1000

    sign_in = SignIn()
    sign_in.failure = RequestTimeoutError("no answer")
    with pytest.raises(RequestTimeoutError):
        await keeper(sign_in, Young()).token()


async def test_a_token_refused_while_its_renewal_fails_is_not_given_again():
    """What the venue has said no to meanwhile is no token to fall back on."""
    clock, sign_in = ManualClock(), SignIn()
    tokens = keeper(sign_in, clock)
    first = await tokens.token()
    clock.advance(200)
    sign_in.failure = RequestTimeoutError("no answer")
    sign_in.gate.clear()
    call = asyncio.create_task(tokens.token())
    await asyncio.sleep(0)
    tokens.drop(first)
    sign_in.gate.set()
    with pytest.raises(RequestTimeoutError):
        await call


async def test_a_token_that_another_call_threw_away_is_not_given():
    """Two wait for one sign-in; the first finds its token refused at once, and the second is told to try again."""
    sign_in = SignIn()
    sign_in.gate.clear()
    tokens = keeper(sign_in, ManualClock())

    async def refused():
        tokens.drop(await tokens.token())

    one, other = asyncio.create_task(refused()), asyncio.create_task(tokens.token())
    await asyncio.sleep(0)
    sign_in.gate.set()
    await one
    with pytest.raises(AuthError, match="dropped while it was renewed") as caught:
        await other
    assert caught.value.venue == "paradex"


async def test_a_refused_renewal_is_told_at_once():
    """A revoked key is no network trouble."""
    clock, sign_in = ManualClock(), SignIn()
    tokens = keeper(sign_in, clock)
    await tokens.token()
    sign_in.failure = AuthError("revoked")
    clock.advance(200)
    with pytest.raises(AuthError):
        await tokens.token()


async def test_dropping_an_old_token_keeps_the_newer_one():
    """Two calls meet a 401 with the same token; the second must not throw away what the first got."""
    sign_in = SignIn()
    tokens = keeper(sign_in, ManualClock())
    old = await tokens.token()
    tokens.drop(old)
    new = await tokens.token()
    tokens.drop(old)
    assert await tokens.token() is new
    assert sign_in.count == 2


async def test_closing_ends_a_sign_in_that_nobody_waits_for():
    """No task is left behind."""
    sign_in = SignIn()
    sign_in.gate.clear()
    tokens = keeper(sign_in, ManualClock())
    call = asyncio.create_task(tokens.token())
    await asyncio.sleep(0)
    await tokens.close()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_run_that_failed_is_run_again_for_the_next():
    """One failure is not for ever."""
    outcomes = iter([ValueError("first"), None])

    async def run():
        if (failure := next(outcomes)) is not None:
            raise failure

    once = SingleFlight(run)
    with pytest.raises(ValueError, match="first"):
        await once()
    await once()


def test_the_server_s_clock_is_followed_from_a_second_on():
    """Less is the network's; more would make signatures too old or too new."""
    clock = ManualClock()
    server = ServerClock(clock)
    base = server.now_ms()
    server.learn(timedelta(milliseconds=999))
    assert server.now_ms() == base
    server.learn(timedelta(seconds=1))
    assert server.now_ms() == base + 1_000
    server.learn(timedelta(seconds=-61))
    assert server.now_ms() == base - 61_000
    assert server.now_s() == (base - 61_000) // 1000


def test_a_wrong_clock_is_told_once_for_each_difference(caplog):
    """Not at every measurement, and not when it has come right."""
    server = ServerClock(ManualClock())
    told = []
    for seconds in (0, 61, 61, 0, 61):
        caplog.clear()
        server.learn(timedelta(seconds=seconds))
        told.append("differs from paradex by 61.0 s" in caplog.text)
        assert len(caplog.records) == told[-1]
    assert told == [False, True, False, False, True]


# Against a server


@pytest.fixture
async def stub():
    async with StubVenue() as server:
        server.say("GET /balance", BALANCE)
        server.say("GET /account", SUMMARY)
        yield server


async def test_nothing_is_asked_before_the_first_private_call(stub):
    """Opening is free; public data needs no sign-in."""
    async with stub.open() as venue:
        assert stub.asked == []
        await venue.fetch_markets()
        assert [each.path for each in stub.asked] == ["/markets"]
        assert "Authorization" not in stub.asked[0].headers


async def test_the_sign_in_is_signed_for_the_account_and_names_the_key(stub):
    """Headers as the contract has them; the signature verifies for the signing key and the main account."""
    async with stub.open() as venue:
        await venue.fetch_balances()
    (asked,) = [each for each in stub.asked if each.path.startswith("/auth/")]
    signer = NativeSigner(int(KEY, 16), int(ACCOUNT, 16), CHAIN)
    assert (asked.method, asked.path) == ("POST", f"/auth/{signer.public_key:#x}")
    assert asked.headers["PARADEX-STARKNET-ACCOUNT"] == ACCOUNT
    timestamp, expiration = int(asked.headers["PARADEX-TIMESTAMP"]), int(asked.headers["PARADEX-SIGNATURE-EXPIRATION"])
    assert 0 < expiration - timestamp <= 7 * 24 * 3600
    r, s = (int(half) for half in json.loads(asked.headers["PARADEX-STARKNET-SIGNATURE"]))
    assert verify(signer.public_key, signer.auth_hash(timestamp, expiration), r, s)
    private = stub.requests("GET /balance")[0]
    assert private.headers["Authorization"] == f"Bearer {token(1)}"
    assert "PARADEX-STARKNET-ACCOUNT" not in private.headers


async def test_a_retail_token_is_asked_for_by_its_setting(stub):
    """token_usage=interactive."""
    async with stub.open(token_usage="interactive") as venue:
        await venue.fetch_balances()
    assert [each.query for each in stub.asked if each.path.startswith("/auth/")] == [{"token_usage": "interactive"}]


async def test_a_401_is_answered_by_one_new_sign_in(stub):
    """The call is repeated with the new token; a second 401 is the answer."""
    stub.say("GET /balance", no("INVALID_TOKEN", status=401), BALANCE)
    async with stub.open() as venue:
        assert len(await venue.fetch_balances()) == 1
        assert stub.sign_ins == 2
        assert [each.headers["Authorization"] for each in stub.requests("GET /balance")] == [
            f"Bearer {token(1)}",
            f"Bearer {token(2)}",
        ]
        stub.say("GET /balance", no("INVALID_TOKEN", status=401))
        with pytest.raises(AuthError, match="perpkit check"):
            await venue.fetch_balances()
        assert stub.sign_ins == 3


async def test_a_read_only_token_is_used_as_it_is(stub):
    """It is the token; there is no sign-in, and orders are refused here."""
    own = token(99, life=10**10)
    async with stub.open(readonly_token=own) as venue:
        await venue.fetch_balances()
        assert stub.requests("GET /balance")[0].headers["Authorization"] == f"Bearer {own}"
        assert stub.sign_ins == 0
        with pytest.raises(CredentialsError, match="read-only token can't sign"):
            await venue.place_order(OrderIntent(market_id="BTC-USD-PERP", side=Side.BUY, size="1", price="100"))
    assert stub.requests("POST /orders") == []


async def test_a_read_only_token_that_is_refused_is_told_and_not_thrown_away(stub, caplog):
    """There is no other: the caller has the venue's refusal, the log what may be the matter; the next call tries it."""
    stub.say("GET /balance", no("INVALID_TOKEN", status=401), BALANCE)
    async with stub.open(readonly_token=token(99, life=10**10)) as venue:
        with pytest.raises(AuthError, match="INVALID_TOKEN"):
            await venue.fetch_balances()
        assert "refused the read-only token" in caplog.text
        assert len(stub.requests("GET /balance")) == 1
        assert len(await venue.fetch_balances()) == 1
    assert stub.sign_ins == 0


async def test_without_credentials_a_private_call_says_so_and_sends_nothing(stub):
    """Public data works all the same."""
    async with stub.open(keyless=True) as venue:
        await venue.fetch_markets()
        with pytest.raises(CredentialsError, match="needs credentials"):
            await venue.fetch_balances()
    assert stub.requests("GET /balance") == []


async def test_a_server_of_another_chain_is_never_signed_for(stub):
    """A testnet key on mainnet, or the other way round, is a setting to correct."""
    async with stub.open(chain_id="PRIVATE_SN_PARACLEAR_MAINNET") as venue:
        with pytest.raises(ConfigError, match="is of chain PRIVATE_SN_POTC_SEPOLIA"):
            await venue.fetch_balances()
    assert stub.sign_ins == 0


async def test_a_server_of_the_chain_that_is_set_is_signed_for(stub):
    """The setting and the server say the same."""
    async with stub.open(chain_id=CHAIN) as venue:
        await venue.fetch_balances()
    assert stub.sign_ins == 1


@pytest.mark.parametrize("off", [61_000, -61_000])
async def test_a_clock_that_is_off_by_a_minute_is_corrected(stub, off):
    """Signatures carry the venue's time."""
    now = stub.time_ms
    stub.time_ms = lambda: now() + off
    async with stub.open() as venue:
        await venue.fetch_balances()
        health_stamp = int(next(a for a in stub.asked if a.path.startswith("/auth/")).headers["PARADEX-TIMESTAMP"])
    assert abs(health_stamp * 1000 - stub.time_ms()) < 5_000


@pytest.mark.parametrize("time_ms", [0, -1, 10**18])
async def test_a_venue_whose_time_can_not_be_is_not_signed_in_to(stub, time_ms):
    """The time goes into every signature, so an order was not sent."""
    stub.say("GET /system/time", {"server_time": time_ms})
    async with stub.open() as venue:
        with pytest.raises(DecodeError, match="since 1970"):
            await venue.fetch_balances()
        with pytest.raises(NotSentError, match="since 1970"):
            await venue.place_order(OrderIntent(market_id="BTC-USD-PERP", side=Side.BUY, size="1", price="100"))
    assert stub.sign_ins == 0
    assert stub.requests("POST /orders") == []


async def test_a_main_key_finds_its_own_account(stub):
    """The address follows from the key and the venue's class hashes."""
    stub.say(
        "GET /system/config",
        {
            "starknet_chain_id": CHAIN,
            "paraclear_account_hash": "0x033434ad846cdd5f23eb73ff09fe6fddd568284a0fb7d1be20ee482f044dabe2",
            "paraclear_account_proxy_hash": "0x3530cc4759d78042f1b543bf797f5f3d647cde0388c33734cf91b7f7b9314a9",
        },
    )
    async with stub.open(private_key="0x123456789abcdef") as venue:
        await venue.fetch_balances()
    asked = next(each for each in stub.asked if each.path.startswith("/auth/"))
    # Computed by paradex-py 0.8.2, derive_l2_address_starknet.
    assert asked.headers["PARADEX-STARKNET-ACCOUNT"] == (
        "0x5c45e05b597aaa5ff2e28b8e880975981dcdbb2330e9827ad06d73d52b0bd1c"
    )


# Which signer signs


class FakeSdk(NativeSigner):
    """Stands for the official SDK's signer, which needs a package that is not there: the same hashes, another name."""


class WrongSdk(FakeSdk):
    """Hashes a sign-in in a way of its own."""

    def auth_hash(self, timestamp, expiration):
        return super().auth_hash(timestamp, expiration + 1)


def signing(chain_id=None, **settings):
    """Return the arguments of make_signer for the stub's key."""
    settings = ParadexSettings(environment="local", rest_url="http://127.0.0.1:9/v1", chain_id=chain_id, **settings)
    credentials = Credentials(CredentialKind.SUBKEY, account=int(ACCOUNT, 16), private_key=Secret(KEY))
    return settings, credentials, SystemConfig(starknet_chain_id=CHAIN)


@pytest.mark.parametrize(
    ("asked", "installed", "signer"),
    [
        ({}, False, NativeSigner),
        ({}, True, NativeSigner),
        ({"self_check": False}, True, NativeSigner),
        ({"signer": "sdk"}, True, FakeSdk),
        ({"signer": "sdk", "self_check": False}, True, FakeSdk),
    ],
)
async def test_the_signer_is_the_one_that_the_settings_ask_for(monkeypatch, asked, installed, signer):
    """An SDK that is merely installed is compared with and does not sign."""
    monkeypatch.setattr(auth, "sdk_is_installed", lambda: installed)
    monkeypatch.setattr(auth, "SdkSigner", FakeSdk if installed else None)
    made = await auth.make_signer(*signing(**asked))
    assert type(made) is signer
    assert made.sign_auth(1, 2) == NativeSigner(int(KEY, 16), int(ACCOUNT, 16), CHAIN).sign_auth(1, 2)


@pytest.mark.parametrize("asked", [{}, {"signer": "sdk"}, {"signer": "sdk", "self_check": False}])
async def test_where_the_two_signers_disagree_neither_signs(monkeypatch, asked):
    """Whichever was asked for: one of them signs what the venue will not read."""
    monkeypatch.setattr(auth, "sdk_is_installed", lambda: True)
    monkeypatch.setattr(auth, "SdkSigner", WrongSdk)
    with pytest.raises(ConfigError, match="disagree on sign-in"):
        await auth.make_signer(*signing(**asked))


async def test_without_a_self_check_an_installed_sdk_is_left_alone(monkeypatch):
    """It takes seconds to import."""
    monkeypatch.setattr(auth, "sdk_is_installed", lambda: True)
    monkeypatch.setattr(auth, "SdkSigner", WrongSdk)
    assert type(await auth.make_signer(*signing(self_check=False))) is NativeSigner


@pytest.mark.parametrize("chain", ["X", "X" * 31])
async def test_a_chain_may_be_called_anything_that_a_signature_has_room_for(chain):
    """One character to 31."""
    settings, credentials, _ = signing()
    assert await auth.make_signer(settings, credentials, SystemConfig(starknet_chain_id=chain))


async def test_a_server_of_another_chain_gets_no_signer():
    """The error is the venue's, and names both chains."""
    with pytest.raises(ConfigError, match=f"is of chain {CHAIN}, but local is SOME_OTHER") as caught:
        await auth.make_signer(*signing(chain_id="SOME_OTHER"))
    assert caught.value.venue == "paradex"


@pytest.mark.parametrize("chain", ["", "X" * 32, "PRIVATE_SN_\N{GREEK CAPITAL LETTER PI}"])
async def test_a_chain_that_can_not_be_one_gets_no_signer(chain):
    """A signature is bound to its 31 characters at most; nothing is signed for what the server garbled."""
    settings, credentials, _ = signing()
    with pytest.raises(DecodeError, match="starknet_chain_id") as caught:
        await auth.make_signer(settings, credentials, SystemConfig(starknet_chain_id=chain))
    assert caught.value.venue == "paradex"


HASHES = {"paraclear_account_hash": "0x123", "paraclear_account_proxy_hash": "0x456"}


@pytest.mark.parametrize(
    ("kind", "hashes"),
    [
        (CredentialKind.SUBKEY, HASHES),
        (CredentialKind.MAIN, {**HASHES, "paraclear_account_hash": ""}),
        (CredentialKind.MAIN, {**HASHES, "paraclear_account_proxy_hash": ""}),
        (CredentialKind.MAIN, {}),
    ],
)
def test_an_account_that_can_not_be_derived_has_to_be_named(kind, hashes):
    """A subkey's owner does not follow from it; a main key's does only with both of the venue's class hashes."""
    credentials = Credentials(kind, private_key=Secret(KEY))
    with pytest.raises(CredentialsError, match="PARADEX_ACCOUNT") as caught:
        auth.account_of(credentials, SystemConfig(starknet_chain_id=CHAIN, **hashes))
    assert caught.value.venue == "paradex"


@pytest.mark.parametrize("wrong", ["x", "0x", f"0x{'f' * 64}"])
def test_an_account_is_not_derived_from_what_is_no_number(wrong):
    """The server's class hashes are hexadecimal and below the prime; an account can still be named."""
    credentials = Credentials(CredentialKind.MAIN, private_key=Secret(KEY))
    config = SystemConfig(starknet_chain_id=CHAIN, **{**HASHES, "paraclear_account_hash": wrong})
    with pytest.raises(DecodeError, match="PARADEX_ACCOUNT") as caught:
        auth.account_of(credentials, config)
    assert caught.value.venue == "paradex"


async def test_a_sign_in_that_fails_before_an_order_means_that_it_was_not_sent(stub):
    """However unclear the sign-in's own outcome, no order left."""
    stub.say("POST /auth", Says("<html>bad gateway</html>", 502))
    async with stub.open() as venue:
        with pytest.raises(NotSentError, match="signing in failed"):
            await venue.place_order(OrderIntent(market_id="BTC-USD-PERP", side=Side.BUY, size="1", price="100"))
    assert stub.requests("POST /orders") == []


async def test_no_secret_is_shown_by_what_goes_wrong(stub):
    """Key, token and signature stay out of errors."""
    stub.say("GET /balance", Says({"error": "X", "message": f"bad token {token(1)}"}, 400))
    async with stub.open() as venue:
        with pytest.raises(Exception, match="X") as caught:
            await venue.fetch_balances()
        text = f"{caught.value!r} {caught.value} {venue!r} {Secret('hunter22')}"
    assert token(1) not in text
    assert "hunter22" not in text
