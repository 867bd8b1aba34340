"""What the settings of every venue plugin share: addresses that secrets may go to, a bound on requests, loading."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from perpkit.core.errors import ConfigError


class VenueSettings(BaseModel):
    """
    Base of what ``open_venue`` takes for a venue, credentials apart. A subclass adds ``environment`` and its own.

    Attributes:
        rest_url: Base of the REST API, version included; None takes the environment's.
        ws_url: The WebSocket address; None takes the environment's.
        request_timeout: How long one request may take before it counts as not answered; a timedelta or seconds. An
            order command that runs into it has an unknown outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    venue: ClassVar[str]

    rest_url: str | None = None
    ws_url: str | None = None
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

    @classmethod
    def load(cls, environment: str | None, given: Mapping[str, Any], *, credentials: Collection[str] = ()) -> Self:
        """
        Validate what the user gave.

        Args:
            given: The arguments of ``open_venue``.
            credentials: Names among them that are read elsewhere, and left out here.

        Raises:
            ConfigError: A setting that doesn't exist or can't be; the message names each, and never its value.
        """
        settings = {name: value for name, value in given.items() if name not in credentials}
        if environment is not None:
            settings["environment"] = environment
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            findings = []
            for item in error.errors(include_url=False, include_context=False, include_input=False):
                where = ".".join(str(part) for part in item["loc"])
                if item["type"] == "extra_forbidden":
                    findings.append(cls._unknown(where, credentials))
                    continue
                text = item["msg"].removeprefix("Value error, ")
                findings.append(f"{where}: {text}" if where else text)
        # Raised out here, because the other error shows what was given: a key under the wrong name, perhaps.
        known = f"settings: {', '.join(sorted(cls.model_fields))}"
        if credentials:
            known += f"; credentials: {', '.join(credentials)}"
        raise ConfigError(f"{'; '.join(findings)} ({known})", venue=cls.venue)

    @classmethod
    def _unknown(cls, name: str, credentials: Collection[str]) -> str:
        close = difflib.get_close_matches(name, [*credentials, *cls.model_fields], n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"{name!r} is no setting of {cls.venue}{meant}"
