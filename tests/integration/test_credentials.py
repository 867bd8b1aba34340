"""Credentials: what each opens, where they come from, and what is said of those that are wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perpkit
from perpkit.core.errors import AuthError, ConfigError, CredentialsError
from perpkit.core.models import OrderRef
from perpkit.sim.clock import SimClock
from tests.integration.conftest import BTC
from tests.integration.helpers import SIGN_IN, count, intent, true_order, true_orders


def _file(tmp_path, text: str, mode: int = 0o600):
    path = tmp_path / "paradex.conf"
    path.write_text(text)
    path.chmod(mode)
    return path


# What each credential opens


@pytest.mark.parametrize("kind", ["private_key", "subkey"])
async def test_a_key_reads_places_amends_and_cancels(local, open_on, kind):
    """Main key and subkey alike; a subkey comes with the main account's address, whose orders they are."""
    me = local.accounts[0]
    venue = await open_on(**{"private_key": None, kind: getattr(me, kind)})
    assert (await venue.fetch_account()).equity == 100_000
    order = await venue.place_order(intent())
    await venue.amend_order(order, price="98000")
    await venue.cancel_order(order)
    (truth,) = true_orders(local)
    assert (truth.account_id, truth.price, truth.is_closed) == (me.address, 98000, True)


async def test_a_main_key_alone_tells_its_account(local):
    """The address follows from the key and the venue's configuration."""
    environ = _environ(local, "private_key")
    async with perpkit.open_venue("paradex", "local", rest_url=local.url, environ=environ, clock=local.clock) as venue:
        order = await venue.place_order(intent())
    assert true_order(local, order.venue_order_id).account_id == local.accounts[0].address


def _environ(local, *names: str, account: int = 0) -> dict[str, str]:
    """Environment variables of these credentials, padded as a copy from a web page is."""
    return {f"PARADEX_{name.upper()}": f"  {getattr(local.accounts[account], name)}\r\n" for name in names}


async def test_a_read_only_token_reads(local, open_on):
    """Every private read, without any sign-in."""
    sign_ins = count(local, SIGN_IN)
    venue = await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token)
    assert (await venue.fetch_account()).equity == 100_000
    assert [balance.total for balance in await venue.fetch_balances()] == [100_000]
    assert await venue.fetch_positions() == []
    assert await venue.fetch_open_orders() == []
    assert await venue.fetch_order_history() == []
    assert await venue.fetch_fills() == []
    assert await venue.fetch_funding_payments() == []
    assert (await venue.fetch_leverage(BTC)).leverage > 0
    assert sign_ins.hits == 0


async def test_a_read_only_token_follows_private_streams(local, open_on, venue, listen):
    """An order placed by the owner of a key shows there."""
    watcher = await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token)
    async with listen(watcher, "orders") as heard:
        order = await venue.place_order(intent())
        await heard.wait_for(lambda: any(each.ref == order.ref for each in heard.of(perpkit.Order)), "the order")


COMMANDS = {
    "place_order": lambda venue: venue.place_order(intent()),
    "place_orders": lambda venue: venue.place_orders([intent(), intent()]),
    "cancel_order": lambda venue: venue.cancel_order(OrderRef(market_id=f"{BTC}@paradex", venue_order_id="1")),
    "cancel_all_orders": lambda venue: venue.cancel_all_orders(),
    "set_leverage": lambda venue: venue.set_leverage(BTC, 5),
    "set_margin_mode": lambda venue: venue.set_margin_mode(BTC, "isolated"),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_read_only_token_commands_nothing(local, open_on, venue, command):
    """A typed error each time, and what stands at the venue stays."""
    order = await venue.place_order(intent())
    watcher = await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token)
    with pytest.raises((AuthError, CredentialsError)):
        await COMMANDS[command](watcher)
    assert [(each.id, each.is_closed) for each in true_orders(local)] == [(order.venue_order_id, False)]
    assert local.exchange.margin_setting(local.accounts[0].address, BTC).leverage == 50


async def test_public_data_needs_no_key(local):
    """Private calls say which settings would help."""
    async with perpkit.open_venue("paradex", "local", rest_url=local.url, environ={}, clock=local.clock) as venue:
        assert (await venue.fetch_order_book(BTC, depth=1)).bids
        private = count(local, "* /v1/account*")
        with pytest.raises(CredentialsError, match="private_key"):
            await venue.fetch_account()
        with pytest.raises(CredentialsError, match="private_key"):
            await venue.place_order(intent())
        assert private.hits == 0


# Where credentials come from


async def test_padded_credentials_from_the_environment_work(local):
    """Spaces and a line end come along when a key is copied."""
    environ = _environ(local, "subkey") | {"PARADEX_ACCOUNT": f"\t{local.accounts[0].address} "}
    async with perpkit.open_venue("paradex", "local", rest_url=local.url, environ=environ, clock=local.clock) as venue:
        order = await venue.place_order(intent())
        assert true_order(local, order.venue_order_id).account_id == local.accounts[0].address


async def test_padded_credentials_as_arguments_work(local, open_on):
    """Quotes too."""
    me = local.accounts[0]
    venue = await open_on(private_key=f' "{me.private_key}"\n')
    order = await venue.place_order(intent())
    assert true_order(local, order.venue_order_id).account_id == me.address


async def test_a_file_of_mode_600_is_read_and_any_wider_one_is_refused(local, tmp_path):
    """The refusal names the command to run, and shows nothing of what is in the file."""
    me = local.accounts[0]
    text = f"# mine\nexport PARADEX_PRIVATE_KEY='{me.private_key}'\naccount = {me.address}\n"
    given = {"rest_url": local.url, "environ": {}, "clock": local.clock}
    path = _file(tmp_path, text)
    async with perpkit.open_venue("paradex", "local", credentials_file=path, **given) as venue:
        await venue.place_order(intent())
    for mode in (0o640, 0o604, 0o644, 0o666, 0o660):
        path.chmod(mode)
        with pytest.raises(CredentialsError, match="chmod 600") as caught:
            perpkit.open_venue("paradex", "local", credentials_file=path, **given)
        assert str(path) in str(caught.value)
        assert me.private_key not in repr(caught.value)
    assert len(true_orders(local)) == 1


BAD_FILES = [
    ("no file", None, "No such file"),
    ("an unknown name", "privat_key = 0x1\n", "line 1"),
    ("no name at all", "0x1234\n", "line 1"),
    ("empty", "", "give one of"),
    ("two kinds", "private_key = 0x1\nsubkey = 0x2\naccount = 0x3\n", "not private_key and subkey"),
]


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in BAD_FILES], ids=[name for name, *_ in BAD_FILES])
async def test_a_file_that_can_not_be_read_says_where(local, tmp_path, text, words):
    """By line where there is one."""
    path = tmp_path / "none.conf" if text is None else _file(tmp_path, text)
    with pytest.raises(CredentialsError, match=words):
        perpkit.open_venue("paradex", "local", rest_url=local.url, environ={}, credentials_file=path)


# Wrong in form: refused before anything is opened


MALFORMED = [
    ("a key that is no hex", {"private_key": "correct horse battery staple"}),
    ("an empty key", {"private_key": "   "}),
    ("an Ethereum key", {"private_key": "0x" + "f" * 64}),
    ("a key of zero", {"private_key": "0x0"}),
    ("a number in the place of text", {"private_key": 12345}),
    ("an account that is no address", {"account": "0xNOTHEX"}),
    ("an account above the prime", {"account": "0x" + "f" * 64}),
    ("two keys at once", {"subkey": "0x1"}),
    ("a token of two parts", {"private_key": None, "readonly_token": "abc.def"}),
    ("a token without claims", {"private_key": None, "readonly_token": "abc.???.ghi"}),
    ("a subkey without its account", {"private_key": None, "account": None, "subkey": "0x1234"}),
]


@pytest.mark.parametrize("given", [row[1] for row in MALFORMED], ids=[name for name, _ in MALFORMED])
def test_a_malformed_credential_is_named_and_never_shown(given):
    """Before any connection: opening itself refuses."""
    settings = {"rest_url": "http://127.0.0.1:1/v1", "private_key": "0x1234567890abcdef", "account": "0x1234", **given}
    settings = {name: value for name, value in settings.items() if value is not None}
    with pytest.raises(CredentialsError) as caught:
        perpkit.open_venue("paradex", "local", environ={}, **settings)
    assert any(name in str(caught.value) for name in ("private_key", "subkey", "account", "readonly_token"))
    for value in settings.values():
        if len(str(value).strip()) > 8 and value != settings["rest_url"]:
            assert str(value) not in repr(caught.value)


# Good in form and wrong at the venue


async def test_a_key_of_somebody_else_is_refused_with_advice(local, open_on):
    """The second account's key with the first account's address."""
    venue = await open_on(private_key=local.accounts[1].private_key)
    with pytest.raises(AuthError, match="perpkit check paradex"):
        await venue.fetch_account()
    with pytest.raises(AuthError):
        await venue.place_order(intent())
    assert true_orders(local) + true_orders(local, 1) == []


async def test_a_subkey_given_as_the_main_key_without_an_account_is_refused(local):
    """The account that would follow from it is nobody's: not onboarded, and that is said."""
    settings = {"rest_url": local.url, "environ": {}, "clock": local.clock}
    async with perpkit.open_venue("paradex", "local", private_key=local.accounts[0].subkey, **settings) as venue:
        with pytest.raises(AuthError, match="onboard"):
            await venue.fetch_account()


async def test_a_foreign_environment_is_refused_before_anything_is_signed(local, open_on):
    """The server says its chain; one that is not the environment's gets no signature."""
    sign_ins = count(local, SIGN_IN)
    venue = await open_on(chain_id="PRIVATE_SN_PARACLEAR_MAINNET")
    with pytest.raises(ConfigError, match="PRIVATE_SN_PARACLEAR_MAINNET"):
        await venue.place_order(intent())
    with pytest.raises(ConfigError):
        await venue.fetch_account()
    assert sign_ins.hits == 0
    assert true_orders(local) == []


async def test_a_read_only_token_of_another_environment_is_an_auth_error(local, open_on):
    """Signed by another secret: refused at the first read, not repeated without end."""
    from perpkit.sim.venues.paradex import LocalParadex

    other = LocalParadex(seed=99, accounts=1)
    asked = count(local, "GET /v1/account")
    venue = await open_on(private_key=None, readonly_token=other.accounts[0].readonly_token)
    with pytest.raises(AuthError):
        await venue.fetch_account()
    assert asked.hits == 1


async def test_an_expired_read_only_token_is_refused_by_its_own_date(local, open_on):
    """Before anything is sent; a new one is what helps."""
    later = SimClock(local.clock.now() + timedelta(days=366))
    with pytest.raises(CredentialsError, match="expired"):
        await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token, clock=later)


async def test_a_read_only_token_that_expires_while_open_is_an_auth_error(local, open_on):
    """The venue says so, and there is nothing to renew it with."""
    venue = await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token)
    await venue.fetch_account()
    _readonly(local).expires_at_s = local.venue.now_s()
    with pytest.raises(AuthError):
        await venue.fetch_account()


def _readonly(local, account: int = 0):
    """The venue's own row of an account's read-only token."""
    owner = local.venue.registry.get(int(local.accounts[account].address, 16))
    return next(token for token in local.venue.authority.tokens_of(owner) if token.kind == "api_key")


def _revoke_subkey(local, account: int = 0) -> None:
    owner = local.venue.registry.get(int(local.accounts[account].address, 16))
    owner.subkeys[int(local.accounts[account].subkey_public_key, 16)].revoked_at_ns = local.venue.now_ns()


@pytest.mark.parametrize("when", ["before", "while open"])
@pytest.mark.parametrize("order_entry", ["rest", "ws"])
async def test_a_revoked_subkey_is_an_auth_error_with_advice(local, open_on, when, order_entry):
    """Revoked before the first call or in the middle: no order after it, and one new sign-in at most."""
    venue = await open_on(private_key=None, subkey=local.accounts[0].subkey, order_entry=order_entry)
    if when == "while open":
        await venue.place_order(intent())
    known = len(true_orders(local))
    sign_ins = count(local, SIGN_IN)
    _revoke_subkey(local)
    local.control.expire_tokens()
    for _ in range(2):
        with pytest.raises((AuthError, perpkit.OrderRejectedError)) as caught:
            await venue.place_order(intent())
    assert len(true_orders(local)) == known
    assert sign_ins.hits <= 2
    assert "key" in str(caught.value)
    assert "perpkit check paradex" in str(caught.value)


async def test_a_revoked_read_only_token_is_an_auth_error(local, open_on):
    """Asked once, not again and again."""
    venue = await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token)
    token = _readonly(local)
    local.venue.authority.revoke(token.owner, token.lookup_id, local.venue.now_s())
    asked = count(local, "GET /v1/account")
    with pytest.raises(AuthError):
        await venue.fetch_account()
    assert asked.hits == 1
