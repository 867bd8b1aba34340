"""
Settings of the Lighter plugin: environments and options. Secrets are found in ``credentials.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from perpkit.core.models import Size
from perpkit.core.settings import VenueSettings

VENUE = "lighter"

ENVIRONMENTS = ("testnet", "mainnet", "robinhood", "robinhood_testnet", "local")

Tier = Literal["standard", "plus", "premium", "builder"]


@dataclass(frozen=True, slots=True)
class Environment:
    """
    Where one Lighter lives.

    Attributes:
        chain_id: What signatures are bound to, so that a testnet signature is worthless on mainnet.
    """

    rest_url: str
    ws_url: str
    chain_id: int


KNOWN_ENVIRONMENTS: Mapping[str, Environment] = {
    # Endpoint profiles of lighter-sdk 1.1.8.
    "mainnet": Environment("https://mainnet.zklighter.elliot.ai", "wss://mainnet.zklighter.elliot.ai/stream", 304),
    "testnet": Environment("https://testnet.zklighter.elliot.ai", "wss://testnet.zklighter.elliot.ai/stream", 300),
    "robinhood": Environment("https://api.rh.lighter.xyz", "wss://api.rh.lighter.xyz/stream", 466_324),
    "robinhood_testnet": Environment(
        "https://api.rh-testnet.lighter.xyz", "wss://api.rh-testnet.lighter.xyz/stream", 300
    ),
}

LOCAL_CHAIN_ID = 304
"""What lighter-sdk signs for when an address is none of the venue's own, and so what a local exchange expects."""

LEAST_ORDER_LIFE = timedelta(minutes=5)
MOST_ORDER_LIFE = timedelta(days=30)
"""How far ahead an order's expiry may lie (code 21711 otherwise)."""


class LighterSettings(VenueSettings):
    """
    What ``open_venue("lighter", …)`` takes, credentials apart, beyond what every venue takes.

    Attributes:
        environment: ``local`` needs ``rest_url``; ``ws_url`` follows from it where it is not given.
        chain_id: Overrides the environment's.
        tier: The account's tier, which decides how many requests a minute it may send. The venue tells it (``GET
            /api/v1/accountLimits``), but only once requests are under way; ``standard`` is safe for every account.
        order_life: How long an order without an expiry of its own stands. The venue has none that stand for ever.
        market_slippage: How far from the best opposite quote a market order without ``max_slippage`` may fill on
            average, and how far from its trigger price a triggered market order may; a fraction.
        settle_timeout: How long a command is followed that answers only once the venue has carried it out (amend,
            cancel all, leverage).
        client_ids: A file for the client order ids that are no plain numbers, so that orders bear them again after a
            restart; made if it is not there, and several processes may share it. None keeps them in memory.
    """

    venue: ClassVar[str] = VENUE

    environment: Literal["testnet", "mainnet", "robinhood", "robinhood_testnet", "local"] = "testnet"
    chain_id: int | None = Field(default=None, gt=0, lt=2**31)
    tier: Tier = "standard"
    order_life: timedelta = Field(default=timedelta(days=28), ge=LEAST_ORDER_LIFE, le=MOST_ORDER_LIFE)
    market_slippage: Annotated[Size, Field(lt=1)] = Decimal("0.05")
    settle_timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    client_ids: Path | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.environment == "local" and self.rest_url is None:
            msg = "environment 'local' needs rest_url, for example http://127.0.0.1:8080"
            raise ValueError(msg)
        return self

    @property
    def rest_base(self) -> str:
        """The REST host, without a slash at the end."""
        return self.rest_url or KNOWN_ENVIRONMENTS[self.environment].rest_url

    @property
    def ws_address(self) -> str:
        """Where streams connect."""
        if self.ws_url is not None:
            return self.ws_url
        if self.rest_url is not None and self.environment == "local":
            return self.rest_url.replace("http", "ws", 1) + "/stream"
        return KNOWN_ENVIRONMENTS[self.environment].ws_url

    @property
    def signed_chain_id(self) -> int:
        """What signatures are bound to."""
        if self.chain_id is not None:
            return self.chain_id
        known = KNOWN_ENVIRONMENTS.get(self.environment)
        return known.chain_id if known is not None else LOCAL_CHAIN_ID
