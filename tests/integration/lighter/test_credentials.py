"""Lighter's keys and tokens, and everything that can be wrong with them."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from perpkit.core.errors import AuthError, CredentialsError, OrderRejectedError, RejectReason
from perpkit.core.models import Order
from perpkit.crypto.ecgfp5 import PublicKey, public_key
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter.errors import ApiError
from tests.integration.conftest import eventually
from tests.integration.lighter.conftest import STRANGE_KEY, intent, paced, true_orders


async def test_a_key_with_blanks_and_0x_around_it_is_taken_off_them(open_on, local):
    """Blanks come from copying, the prefix from the venue's own tools."""
    venue = await open_on(api_private_key=f"  0x{local.accounts[0].private_key}\n")
    await venue.place_order(intent())
    assert len(true_orders(local)) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api_private_key": STRANGE_KEY}, "slot 4 of account 12345 holds another key"),
        ({"api_key_index": 5}, "slot 5 of account 12345 holds another key"),
        ({"api_key_index": 77}, "slot 77 of account 12345 holds no key"),
        ({"account_index": 12346}, "slot 4 of account 12346 holds another key"),
    ],
    ids=["a foreign key", "another slot", "an empty slot", "another account"],
)
async def test_a_wrong_key_is_named_by_the_first_private_read(open_on, given, said):
    """The account itself is public: the keys that the venue lists tell."""
    venue = await open_on(**given)
    with pytest.raises(AuthError, match=said):
        await venue.fetch_account()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api_private_key": STRANGE_KEY}, "invalid signature"),
        ({"api_key_index": 5}, "invalid signature"),
        ({"api_key_index": 77}, "api key not found"),
        ({"account_index": 12346}, "invalid signature"),
    ],
    ids=["a foreign key", "another slot", "an empty slot", "another account"],
)
async def test_a_wrong_key_places_no_order(local, open_on, given, said):
    """Without a read before it: the venue refuses the signature, or does not know the slot; the remedy is said."""
    venue = await open_on(**given)
    with pytest.raises((AuthError, OrderRejectedError), match=f"{said}.*perpkit check lighter") as caught:
        await paced(local, venue.place_order(intent()))
    assert getattr(caught.value, "reason", RejectReason.INVALID_SIGNATURE) is RejectReason.INVALID_SIGNATURE
    assert true_orders(local) == true_orders(local, 1) == []


async def test_another_accounts_key_opens_nothing(local, open_on):
    """Registered, but not in this account."""
    venue = await open_on(api_private_key=local.accounts[1].private_key)
    with pytest.raises(AuthError, match="holds another key"):
        await venue.fetch_positions()


async def test_an_account_that_is_none_is_named(open_on):
    """By its number, and by its address."""
    venue = await open_on(account_index=99)
    with pytest.raises(AuthError, match=r"account not found|no account 99"):
        await venue.fetch_account()
    venue = await open_on(account_index=None, l1_address="0x" + "1" * 40)
    with pytest.raises(AuthError, match="account not found"):
        await venue.fetch_account()


@pytest.mark.parametrize("how", ["revoked", "replaced"])
async def test_a_key_revoked_while_it_is_in_use_ends_in_an_error_of_authority(local, venue, how):
    """Somebody removes the key, or puts another one into its slot: orders and reads are refused, none is claimed."""
    await venue.place_order(intent())
    await venue.fetch_open_orders()
    keys = local.venue.registry.get(local.accounts[0].account_index).keys
    if how == "revoked":
        del keys[4]
    else:
        keys[4].public = PublicKey(public_key(4711))
    with pytest.raises((AuthError, OrderRejectedError), match="perpkit check lighter"):
        await paced(local, venue.place_order(intent(price="3890")))
    with pytest.raises(AuthError):
        await paced(local, venue.fetch_open_orders())
    assert len(true_orders(local)) == 1


async def test_a_read_only_token_reads_and_signs_nothing(local, venue, open_on, listen):
    """Orders, fills and streams are there; an order is refused before anything is sent, and says what it needs."""
    token = local.accounts[0].readonly_token
    reader = await open_on(api_private_key=None, api_key_index=None, readonly_token=token)
    async with listen(reader, "orders") as heard:
        await venue.place_order(intent())
        await heard.wait_for(lambda: heard.of(Order), "the order")
    assert len(await reader.fetch_open_orders()) == 1
    with pytest.raises(CredentialsError, match="read-only token can't sign"):
        await reader.place_order(intent())
    assert len(true_orders(local)) == 1


async def test_an_account_alone_shows_what_is_public_of_it(local, open_on):
    """Margins and positions; orders need a token."""
    watcher = await open_on(api_private_key=None, api_key_index=None)
    assert (await watcher.fetch_account()).equity == 100_000
    assert await watcher.fetch_positions() == []
    with pytest.raises(CredentialsError, match="api_private_key"):
        await watcher.fetch_open_orders()


async def test_a_token_is_made_once_and_again_before_it_runs_out(local, venue):
    """Hours of reads: a new token every six hours or so, and no read is refused for it."""
    shown, refused = set(), []
    read = local.venue.authority.read

    def watched(token, now_s):
        shown.add(token)
        try:
            return read(token, now_s)
        except ApiError as error:
            refused.append(error)
            raise

    local.venue.authority.read = watched
    for _ in range(24):
        for _ in range(3):
            await venue.fetch_open_orders()
        local.control.advance(timedelta(hours=1))
    assert 3 <= len(shown) <= 5
    assert refused == []
    deadlines = sorted(int(token.split(":")[0]) for token in shown)
    assert all(later - earlier <= 7 * 3600 for earlier, later in pairwise(deadlines))


async def test_a_token_that_the_venue_takes_back_is_replaced_at_once(local, venue):
    """One read is refused for it and goes out again with a new one; nobody notices."""
    await venue.fetch_open_orders()
    local.control.expire_tokens()
    assert await venue.fetch_open_orders() == []


async def test_a_clock_that_is_hours_off_is_corrected_after_the_first_refusal(local, open_on):
    """A deadline is a time of the venue's: too far ahead it is refused, and made anew by the venue's clock."""
    ahead = SimClock(local.clock.now() + timedelta(hours=3))
    venue = await open_on(clock=ahead, limits=None)
    assert await venue.fetch_open_orders() == []


async def test_a_stream_lives_past_the_end_of_its_token(local, venue, listen):
    """The connection is made again before the token runs out, and what happens then is told."""
    async with listen(venue, "orders") as heard:
        for _ in range(5):
            local.control.advance(timedelta(hours=2))
            order = await paced(local, venue.place_order(intent()))
            await paced(
                local,
                eventually(
                    lambda: any(each.client_order_id == order.client_order_id for each in heard.of(Order)),  # noqa: B023
                    "the order",
                ),
            )
    assert heard.errors == []
