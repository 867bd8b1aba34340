"""Settings and credentials of the Toy plugin. Nothing here is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Self

from perpkit.core.errors import ConfigError, CredentialsError
from perpkit.core.transport.redact import Secret
from pydantic import BaseModel, ConfigDict, Field, ValidationError

VENUE = "toy"
ENVIRONMENTS = ("local",)
"""A real venue has its testnet here first, and its mainnet."""

VARIABLES: Mapping[str, str] = {"api_key": "TOY_API_KEY", "api_secret": "TOY_API_SECRET"}
"""Each credential, and the environment variable that stands for it."""

_KEY = re.compile(r"[0-9a-z]{16}")
_SECRET = re.compile(r"[0-9a-f]{64}")


class Settings(BaseModel):
    """
    What ``open_venue("toy", ...)`` takes, credentials apart.

    Attributes:
        rest_url: Base of the REST API, version included.
        ws_url: The WebSocket's address.
        request_timeout: How long a request may take; an order command that runs into it has an unknown outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Literal["local"] = "local"
    rest_url: str = "http://127.0.0.1:8080/v1"
    ws_url: str = "ws://127.0.0.1:8080/ws"
    request_timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))

    @classmethod
    def load(cls, environment: str | None, given: Mapping[str, Any]) -> Self:
        """
        Validate what the user gave.

        Raises:
            ConfigError: A setting that doesn't exist or can't be; the message names each.
        """
        own = {name: value for name, value in given.items() if name not in VARIABLES}
        if environment is not None:
            own["environment"] = environment
        try:
            return cls.model_validate(own)
        except ValidationError as error:
            # Not the values: a key under a wrong name may be among them.
            items = error.errors(include_url=False, include_context=False, include_input=False)
        findings = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in items)
        raise ConfigError(f"{findings} (settings: {', '.join(sorted(cls.model_fields))})", venue=VENUE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account's key, and the secret that requests are signed with."""

    key: Secret = field(repr=False)
    secret: Secret = field(repr=False)


def find_credentials(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Credentials | None:
    """
    Return the credentials from arguments or environment variables; None where there are none.

    Raises:
        CredentialsError: One of the two is missing or malformed. The message names it and does not show it.
    """
    given = {name: settings.get(name, environ.get(variable)) for name, variable in VARIABLES.items()}
    if all(value is None for value in given.values()):
        return None
    key = _checked("api_key", given["api_key"], _KEY, "16 digits and small letters")
    secret = _checked("api_secret", given["api_secret"], _SECRET, "64 hexadecimal digits")
    return Credentials(key, secret)


def _checked(name: str, value: Any, shape: re.Pattern[str], wanted: str) -> Secret:
    text = value.reveal() if isinstance(value, Secret) else value
    where = f"{name} (or the environment variable {VARIABLES[name]})"
    if not isinstance(text, str) or not text.strip():
        raise CredentialsError(f"{where} is missing; key and secret go together", venue=VENUE)
    # A pasted key ends in a line break more often than not.
    if not shape.fullmatch(text.strip()):
        raise CredentialsError(f"{where} is malformed: it is {wanted}", venue=VENUE)
    return Secret(text.strip())
