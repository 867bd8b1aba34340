"""
Settings of the Paradex plugin: environments and options. Secrets are found in ``credentials.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from perpkit.core.errors import ConfigError

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


class ParadexSettings(BaseModel):
    """
    What ``open_venue("paradex", …)`` takes, credentials apart.

    Attributes:
        rest_url: Base of the REST API, version included; required for ``local``.
        ws_url: The WebSocket address; for ``local`` it follows from ``rest_url`` where it is not given.
        chain_id: Overrides the environment's. For ``local`` it is read from the server where it is not given.
        signer: ``native`` signs with fast-stark-crypto, ``sdk`` with the official paradex-py.
        self_check: Compare the two signers' hashes at start where both are installed.
        order_entry: Send order commands over REST or over a WebSocket.
        cancel_on_disconnect: Have the venue cancel this client's orders if the order WebSocket drops. Needs
            ``order_entry="ws"``: the switch belongs to that connection.
        token_usage: ``interactive`` asks for a retail token (speed bump, other fees).
        recv_window_ms: How long after signing the venue may still accept an order; None takes the venue's 300,000.
        book_interval: How often the book's channel sends.
        request_timeout: How long one request may take, REST or order WebSocket, before it counts as not answered; a
            timedelta or seconds. An order command that runs into it has an unknown outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Literal["testnet", "mainnet", "local"] = "testnet"
    rest_url: str | None = None
    ws_url: str | None = None
    chain_id: str | None = Field(default=None, min_length=1, max_length=31)
    signer: Literal["native", "sdk"] = "native"
    self_check: bool = True
    order_entry: Literal["rest", "ws"] = "rest"
    cancel_on_disconnect: bool = False
    token_usage: Literal["interactive"] | None = None
    # The least window: OpenAPI `requests.OrderRequest.recv_window`.
    recv_window_ms: int | None = Field(default=None, ge=10)
    book_interval: Literal["50ms", "100ms"] = "100ms"
    request_timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))

    @field_validator("rest_url", "ws_url")
    @classmethod
    def _strip_slash(cls, value: str | None) -> str | None:
        return value.strip().rstrip("/") if value is not None else None

    @field_validator("rest_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(
            ("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")
        ):
            msg = "rest_url must be https:// (plain http:// only for this machine)"
            raise ValueError(msg)
        return value

    @field_validator("ws_url")
    @classmethod
    def _is_ws(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("wss://", "ws://127.0.0.1", "ws://localhost", "ws://[::1]")):
            msg = "ws_url must be wss:// (plain ws:// only for this machine)"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.environment == "local" and self.rest_url is None:
            msg = "environment 'local' needs rest_url, for example http://127.0.0.1:8080/v1"
            raise ValueError(msg)
        if self.cancel_on_disconnect and self.order_entry != "ws":
            msg = "cancel_on_disconnect needs order_entry='ws': the venue ties it to the order connection"
            raise ValueError(msg)
        return self

    @classmethod
    def load(cls, environment: str | None, settings: Mapping[str, Any]) -> Self:
        """
        Validate what the user gave.

        Raises:
            ConfigError: A setting that doesn't exist or can't be; the message names each.
        """
        given = dict(settings)
        if environment is not None:
            given["environment"] = environment
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            findings = []
            for item in error.errors(include_url=False, include_context=False, include_input=False):
                where = ".".join(str(part) for part in item["loc"])
                text = item["msg"].removeprefix("Value error, ")
                findings.append(f"{where}: {text}" if where else text)
        # Raised out here, because the other error shows what was given: a key under the wrong name, perhaps.
        known = ", ".join(sorted(cls.model_fields))
        raise ConfigError(f"{'; '.join(findings)} (settings: {known})", venue=VENUE)

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
