"""
Signing in: header and signature checks of ``POST /auth``, the tokens it issues, and what each token may do.

A token is a JWT that lives 5 minutes of the simulator's clock; a read-only token lives long and only reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perpkit.crypto.stark import STARK_PRIME
from perpkit.sim.venues.paradex.accounts import Owner, Registry, Subkey
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.verify import MessageHasher, SignatureFormatError, is_signed_by, parse_signature

JWT_LIFETIME_S = 300
DEFAULT_SIGNATURE_LIFETIME_S = 30 * 60
MAX_SIGNATURE_LIFETIME_S = 7 * 24 * 3600
CLOCK_TOLERANCE_S = 30
"""How far in the future a timestamp may lie. The venue publishes no figure; a client a minute ahead is refused."""

READONLY_LIFETIME_S = 365 * 24 * 3600
NS = 1_000_000_000
"""Nanoseconds in a second; the books of keys and tokens are in nanoseconds on the wire."""


@dataclass(frozen=True, slots=True)
class Session:
    """Whom a token speaks for and what it may do."""

    owner: Owner
    kind: str
    """``main``, ``subkey`` or ``readonly``."""
    usage: str
    """``api`` or ``interactive``."""
    subkey: Subkey | None = None

    @property
    def address(self) -> str:
        """Return the account's address as the wire writes it."""
        return self.owner.text


@dataclass(slots=True)
class Token:
    """A token in the venue's books."""

    lookup_id: str
    owner: Owner
    name: str
    kind: str
    created_at_s: int
    expires_at_s: int
    updated_at_s: int
    session: Session
    revoked_at_s: int = 0


class TokenError(Exception):
    """A bearer that is not accepted; ``malformed`` tells a text that is no token from one that is not valid."""

    def __init__(self, message: str, *, malformed: bool) -> None:
        super().__init__(message)
        self.malformed = malformed


class Authority:
    """
    Issues tokens and reads them.

    Args:
        secret: Signs the tokens; from the seed, so that a run can be repeated.
        hasher: Hashes of this venue's chain.
    """

    def __init__(self, secret: bytes, issuer: str, registry: Registry, hasher: MessageHasher) -> None:
        self._secret = secret
        self._issuer = issuer
        self._registry = registry
        self._hasher = hasher
        self._tokens: dict[str, Token] = {}
        self._issued = 0

    # --- signing in -----------------------------------------------------------------------------------------------

    def sign_in(self, headers: Mapping[str, str], now_s: int, *, path_key: str | None, usage: str) -> str:
        """
        Return a JWT for a signed request.

        Args:
            path_key: The public key in the path, hex, where the client gave one.
            usage: ``api`` or ``interactive``.

        Raises:
            ApiError: 400 for a header that is missing or unreadable, 401 for a signature that does not hold.
        """
        account = _address(_header(headers, "PARADEX-STARKNET-ACCOUNT"))
        signature = _signature(_header(headers, "PARADEX-STARKNET-SIGNATURE"))
        timestamp = _seconds(_header(headers, "PARADEX-TIMESTAMP"), "PARADEX-TIMESTAMP")
        given = headers.get("PARADEX-SIGNATURE-EXPIRATION")
        expiration = (
            timestamp + DEFAULT_SIGNATURE_LIFETIME_S
            if given is None
            else _seconds(given, "PARADEX-SIGNATURE-EXPIRATION")
        )
        if timestamp > now_s + CLOCK_TOLERANCE_S:
            raise ApiError("INVALID_TIMESTAMP", f"PARADEX-TIMESTAMP {timestamp} is ahead of the server time {now_s}")
        if expiration <= now_s:
            raise ApiError("INVALID_TIMESTAMP", f"the signature expired at {expiration}; the server time is {now_s}")
        if not timestamp < expiration <= timestamp + MAX_SIGNATURE_LIFETIME_S:
            raise ApiError("INVALID_TIMESTAMP", f"expiration {expiration} is not within a week after {timestamp}")
        owner = self._registry.get(account)
        keys = owner.signing_keys() if path_key is None else [_named_key(owner, path_key)]
        message = self._hasher.auth(account, timestamp, expiration)
        for key in keys:
            if is_signed_by(key, message, signature):
                return self._issue_for(owner, key, usage, now_s)
        raise ApiError(
            "STARKNET_SIGNATURE_VERIFICATION_FAILED",
            "the signature does not fit this account, these times and this chain",
            status=401,
        )

    def check_onboarding(self, headers: Mapping[str, str], public: int, address: int) -> None:
        """
        Check that an onboarding request is signed by the key it names.

        Raises:
            ApiError: The header is missing, or the signature does not hold.
        """
        signature = _signature(_header(headers, "PARADEX-STARKNET-SIGNATURE"))
        account = _address(_header(headers, "PARADEX-STARKNET-ACCOUNT"))
        if account != address:
            raise ApiError("INVALID_STARKNET_ADDRESS", "the account is not the one that this public key owns")
        if not is_signed_by(public, self._hasher.onboarding(account), signature):
            raise ApiError("STARKNET_SIGNATURE_VERIFICATION_FAILED", "the signature does not fit", status=401)

    # --- tokens ---------------------------------------------------------------------------------------------------

    def issue_readonly(self, owner: Owner, name: str, now_s: int) -> str:
        """Return a long-lived token that only reads."""
        return self._issue(Session(owner, "readonly", "api"), name, "api_key", now_s, READONLY_LIFETIME_S)

    def read(self, bearer: str, now_s: int) -> Session:
        """
        Return whom a bearer speaks for.

        Raises:
            TokenError: It is no token, expired, revoked, or signed elsewhere.
        """
        claims = self._claims(bearer)
        token = self._tokens.get(str(claims.get("jti")))
        if token is None:
            raise TokenError("the token is not one of ours", malformed=False)
        if token.expires_at_s <= now_s:
            raise TokenError("the token has expired", malformed=False)
        if token.revoked_at_s:
            raise TokenError("the token was revoked", malformed=False)
        subkey = token.session.subkey
        if subkey is not None and not subkey.is_active:
            raise TokenError("the subkey behind the token was revoked", malformed=False)
        return token.session

    def tokens_of(self, owner: Owner) -> list[Token]:
        """Return the tokens ever issued to an account, oldest first."""
        return [token for token in self._tokens.values() if token.owner is owner]

    def revoke(self, owner: Owner, lookup_id: str, now_s: int) -> Token:
        """
        Revoke one token.

        Raises:
            ApiError: The account has no such token.
        """
        token = self._tokens.get(lookup_id)
        if token is None or token.owner is not owner:
            raise ApiError("NOT_FOUND", f"no token {lookup_id!r}")
        token.revoked_at_s = token.updated_at_s = now_s
        return token

    def expire_all(self, now_s: int) -> None:
        """Let every 5-minute token expire now."""
        for token in self._tokens.values():
            if token.kind == "jwt":
                token.expires_at_s = min(token.expires_at_s, now_s)

    def _issue_for(self, owner: Owner, key: int, usage: str, now_s: int) -> str:
        subkey = owner.subkeys.get(key)
        session = Session(owner, "main" if subkey is None else "subkey", usage, subkey)
        return self._issue(session, "", "jwt", now_s, JWT_LIFETIME_S)

    def _issue(self, session: Session, name: str, kind: str, now_s: int, lifetime_s: int) -> str:
        self._issued += 1
        lookup_id = hmac.new(self._secret, f"token {self._issued}".encode(), hashlib.sha256).hexdigest()[:32]
        expires = now_s + lifetime_s
        self._tokens[lookup_id] = Token(lookup_id, session.owner, name, kind, now_s, expires, now_s, session)
        claims = {
            "typ": "at+JWT",
            "exp": expires,
            "iat": now_s,
            "iss": self._issuer,
            "sub": session.address,
            "jti": lookup_id,
            "token_usage": session.usage,
        }
        head = _b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_b64(json.dumps(claims).encode())}"
        return f"{signed}.{_b64(self._mac(signed))}"

    def _claims(self, bearer: str) -> dict[str, Any]:
        parts = bearer.split(".")
        if len(parts) != 3 or bearer != bearer.strip():
            raise TokenError("missing or malformed jwt", malformed=True)
        try:
            mac = _unb64(parts[2])
            claims = json.loads(_unb64(parts[1]))
        except (ValueError, binascii.Error) as exc:
            raise TokenError("missing or malformed jwt", malformed=True) from exc
        if not hmac.compare_digest(mac, self._mac(f"{parts[0]}.{parts[1]}")):
            raise TokenError("invalid or expired jwt", malformed=False)
        if not isinstance(claims, dict):
            raise TokenError("missing or malformed jwt", malformed=True)
        return claims

    def _mac(self, text: str) -> bytes:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).digest()


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise ApiError("INVALID_REQUEST_PARAMETER", f"header {name} is required")
    return value


def parse_felt(text: str) -> int:
    """
    Return a hex field element.

    Raises:
        ValueError: It is none.
    """
    if not text.startswith("0x"):
        raise ValueError("a field element is written in hex, 0x first")
    number = int(text, 16)
    if not 0 < number < STARK_PRIME:
        raise ValueError("a field element lies between 0 and the prime")
    return number


def _address(text: str) -> int:
    try:
        return parse_felt(text)
    except ValueError as exc:
        raise ApiError("INVALID_STARKNET_ADDRESS", f"PARADEX-STARKNET-ACCOUNT {text!r}: {exc}") from exc


def _signature(text: str) -> tuple[int, int]:
    try:
        return parse_signature(text)
    except SignatureFormatError as exc:
        raise ApiError("INVALID_STARKNET_SIGNATURE", f"PARADEX-STARKNET-SIGNATURE: {exc}") from exc


def _seconds(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise ApiError("INVALID_TIMESTAMP", f"{name} {text!r} is no unix time in seconds")
    return int(text)


def _named_key(owner: Owner, text: str) -> int:
    try:
        key = parse_felt(text)
    except ValueError as exc:
        raise ApiError("PUBLIC_KEY_INVALID", f"public key {text!r}: {exc}") from exc
    if key not in owner.signing_keys():
        raise ApiError("INVALID_SUBKEY", "this public key is not registered under the account", status=401)
    return key


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


NOBODY = Session(Owner(0, 0, 0), "nobody", "api")
"""Stands where no token was asked for."""
