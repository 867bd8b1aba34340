"""Extended's credentials, and everything that can be wrong with them: named before anything is signed."""

from __future__ import annotations

import pytest

from perpkit.core.errors import AuthError, ConfigError, CredentialsError
from tests.integration.conftest import eventually
from tests.integration.extended.conftest import intent, true_orders


async def test_an_api_key_alone_reads_and_cancels_and_signs_nothing(local, venue, open_on):
    """Orders need the Stark key, and the error says so; cancels go."""
    order = await venue.place_order(intent())
    reader = await open_on(stark_private_key=None, stark_public_key=None, vault=None)
    assert len(await reader.fetch_open_orders()) == 1
    with pytest.raises(CredentialsError, match="Stark key"):
        await reader.place_order(intent())
    await reader.cancel_order(order)
    await eventually(lambda: true_orders(local)[0].is_closed, "the cancel")


async def test_a_key_with_blanks_around_it_is_taken_off_them(open_on, local):
    """Blanks come from copying; the venue would answer 401 without a word."""
    venue = await open_on(api_key=f"  {local.accounts[0].api_key}\n")
    assert (await venue.fetch_account()).equity == 100_000


async def test_an_unknown_key_says_what_to_do(open_on):
    """The venue's 401 has an empty body; ours has the remedy."""
    venue = await open_on(api_key="f" * 32)
    with pytest.raises(AuthError, match="perpkit check extended"):
        await venue.fetch_account()


async def test_keys_of_two_accounts_are_told_apart_before_anything_is_signed(local, open_on):
    """The message names which of them doesn't fit; the exchange sees no order."""
    other = local.accounts[1]
    mixed = {"stark_private_key": other.private_key, "stark_public_key": other.public_key}
    venue = await open_on(**mixed)
    with pytest.raises(CredentialsError, match="stark_private_key is not that account's"):
        await venue.place_order(intent())
    venue = await open_on(vault=str(other.vault))
    with pytest.raises(CredentialsError, match=f"vault {other.vault} is not that account's"):
        await venue.place_order(intent())
    assert true_orders(local) == []


async def test_another_chain_is_named_before_anything_is_signed(local, open_on):
    """A testnet's signature is worthless on mainnet; both chains are in the message."""
    venue = await open_on(chain_id="SN_MAIN")
    with pytest.raises(ConfigError, match=r"SN_MAIN.*SN_SEPOLIA"):
        await venue.place_order(intent())
    assert true_orders(local) == []
