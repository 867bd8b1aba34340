"""
Settings of the Paradex plugin: environments and options. Secrets are found in ``credentials.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from perpkit.core.settings import VenueSettings

VENUE = "paradex"

ENVIRONMENTS = ("testnet", "mainnet", "local")


@dataclass(frozen=True, slots=True)
class Environment:
    """
    Where one Paradex lives.

    Attributes:
        chain_id: What signatures are bound to, so that a testnet signature is worthless on mainnet.
    """

    rest_url: str
    ws_url: str
    chain_id: str


KNOWN_ENVIRONMENTS: Mapping[str, Environment] = {
    # REST host and WebSocket host: OpenAPI 1.132 `servers`, AsyncAPI 1.3 `servers`; the testnet hosts and both chain
    # ids: the venue's documentation, read 2026-11.
    "mainnet": Environment(
        "https://api.prod.paradex.trade/v1",
        "wss://ws.api.prod.paradex.trade/v1",
        "PRIVATE_SN_PARACLEAR_MAINNET",
    ),
    "testnet": Environment(
        "https://api.testnet.paradex.trade/v1",
        "wss://ws.api.testnet.paradex.trade/v1",
        "PRIVATE_SN_POTC_SEPOLIA",
    ),
}


class ParadexSettings(VenueSettings):
    """
    What ``open_venue("paradex", …)`` takes, credentials apart, beyond what every venue takes.

    Attributes:
        environment: ``local`` needs ``rest_url``; ``ws_url`` follows from it where it is not given.
        chain_id: Overrides the environment's. For ``local`` it is read from the server where it is not given.
        signer: ``native`` signs with fast-stark-crypto, ``sdk`` with the official paradex-py.
        self_check: Compare the two signers' hashes at start where both are installed.
        order_entry: Send order commands over REST or over a WebSocket.
        cancel_on_disconnect: Have the venue cancel this client's orders if the order WebSocket drops. Needs
            ``order_entry="ws"``: the switch belongs to that connection.
        token_usage: ``interactive`` asks for a retail token (speed bump, other fees).
        recv_window_ms: How long after signing the venue may still accept an order; None takes the venue's 300,000.
        book_interval: How often the book's channel sends.
    """

    venue: ClassVar[str] = VENUE

    environment: Literal["testnet", "mainnet", "local"] = "testnet"
    chain_id: str | None = Field(default=None, min_length=1, max_length=31)
    signer: Literal["native", "sdk"] = "native"
    self_check: bool = True
    order_entry: Literal["rest", "ws"] = "rest"
    cancel_on_disconnect: bool = False
    token_usage: Literal["interactive"] | None = None
    # The least window: OpenAPI `requests.OrderRequest.recv_window`.
    recv_window_ms: int | None = Field(default=None, ge=10)
    book_interval: Literal["50ms", "100ms"] = "100ms"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.environment == "local" and self.rest_url is None:
            msg = "environment 'local' needs rest_url, for example http://127.0.0.1:8080/v1"
            raise ValueError(msg)
        if self.cancel_on_disconnect and self.order_entry != "ws":
            msg = "cancel_on_disconnect needs order_entry='ws': the venue ties it to the order connection"
            raise ValueError(msg)
        return self

    @property
    def rest_base(self) -> str:
        """The REST base, version included, without a slash at the end."""
        return self.rest_url or KNOWN_ENVIRONMENTS[self.environment].rest_url

    @property
    def ws_address(self) -> str:
        """Where streams connect."""
        if self.ws_url is not None:
            return self.ws_url
        if self.rest_url is not None and self.environment == "local":
            return self.rest_url.replace("http", "ws", 1)
        return KNOWN_ENVIRONMENTS[self.environment].ws_url

    @property
    def known_chain_id(self) -> str | None:
        """The chain id, where it is known before the server is asked."""
        if self.chain_id is not None:
            return self.chain_id
        known = KNOWN_ENVIRONMENTS.get(self.environment)
        return known.chain_id if known else None

    @property
    def is_interactive(self) -> bool:
        """Whether sign-in asks for a retail token, with its fees."""
        return self.token_usage is not None
