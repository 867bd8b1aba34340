"""The local exchanges that ``perpkit sim`` can run: how each is made, and what a user needs to connect to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from perpkit.sim.clock import SimClock
from perpkit.sim.server import SimServer
from perpkit.sim.venues import extended, lighter, paradex


@dataclass(frozen=True)
class Local:
    """
    One local exchange.

    Attributes:
        make: Makes its server, in real time and with liquidity, from ``port``, ``seed``, ``accounts`` and ``strict``.
        urls: Its addresses by what they are called, REST first.
        variables: The environment variables that point perpkit at it, beside ``PERPKIT_ENVIRONMENT``.
        credentials: For each account, the environment variables that hold what opens it.
        accounts: For each account, all that there is to know of it.
        example: A market to try.
    """

    make: Callable[..., SimServer]
    urls: Callable[[Any], Mapping[str, str]]
    variables: Callable[[Any], Mapping[str, str]]
    credentials: Callable[[Any], list[dict[str, str]]]
    accounts: Callable[[Any], list[dict[str, Any]]]
    example: str


def _lively(server: Callable[..., SimServer], settings: Callable[[bool], object]) -> Callable[..., SimServer]:
    """Return what makes a server in real time and with liquidity; ``settings`` gives those for ``strict``."""

    def make(*, port: int, seed: int, accounts: int, strict: bool) -> SimServer:
        return server(
            port=port,
            seed=seed,
            accounts=accounts,
            clock=SimClock.real_time(),
            liquidity=True,
            settings=settings(strict),
        )

    return make


LOCAL: dict[str, Local] = {
    "paradex": Local(
        make=_lively(paradex.LocalParadex, lambda strict: paradex.Settings(strict=strict)),
        urls=lambda local: {"REST": local.url, "WebSocket": local.ws_url},
        variables=lambda local: {"PERPKIT_REST_URL": local.url, "PERPKIT_WS_URL": local.ws_url},
        credentials=lambda local: [
            {"PARADEX_ACCOUNT": account.address, "PARADEX_PRIVATE_KEY": account.private_key}
            for account in local.accounts
        ],
        accounts=lambda local: [
            {
                "address": account.address,
                "private_key": account.private_key,
                "subkey": account.subkey,
                "readonly_token": account.readonly_token,
            }
            for account in local.accounts
        ],
        example="BTC-USD-PERP",
    ),
    "extended": Local(
        make=_lively(extended.LocalExtended, lambda strict: extended.Settings(strict=strict)),
        urls=lambda local: {"REST": local.url, "WebSocket": local.ws_url, "WebSocket RPC": local.rpc_url},
        # Where the streams are follows from where REST is.
        variables=lambda local: {"PERPKIT_REST_URL": local.url},
        credentials=lambda local: [
            {
                "EXTENDED_API_KEY": account.api_key,
                "EXTENDED_STARK_PUBLIC_KEY": account.public_key,
                "EXTENDED_STARK_PRIVATE_KEY": account.private_key,
                "EXTENDED_VAULT": str(account.vault),
            }
            for account in local.accounts
        ],
        accounts=lambda local: [
            {
                "account_id": account.account_id,
                "api_key": account.api_key,
                "stark_public_key": account.public_key,
                "stark_private_key": account.private_key,
                "vault": account.vault,
            }
            for account in local.accounts
        ],
        example="BTC-USD",
    ),
    "lighter": Local(
        # The SDK and ccxt keep to the contract, but not to budgets.
        make=_lively(
            lighter.LocalLighter,
            lambda strict: lighter.Settings(delays=True, limits_scale=1 if strict else 0),
        ),
        urls=lambda local: {"REST": local.url, "WebSocket": local.ws_url},
        variables=lambda local: {"PERPKIT_REST_URL": local.url, "PERPKIT_WS_URL": local.ws_url},
        credentials=lambda local: [
            {
                "LIGHTER_ACCOUNT_INDEX": str(account.account_index),
                "LIGHTER_API_KEY_INDEX": str(account.api_key_index),
                "LIGHTER_API_PRIVATE_KEY": account.private_key,
            }
            for account in local.accounts
        ],
        accounts=lambda local: [account.reveal() for account in local.accounts],
        example="ETH",
    ),
}
"""By the venue's name."""
