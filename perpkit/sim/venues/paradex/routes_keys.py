"""
REST: signing in, onboarding, and the account's keys and tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perpkit.sim.venues.paradex.accounts import Owner, Subkey, address_of
from perpkit.sim.venues.paradex.auth import NS, Token, parse_felt
from perpkit.sim.venues.paradex.config import ACCOUNT_HASH, PROXY_HASH
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.gateway import Call, Reply, Route
from perpkit.sim.venues.paradex.spec import check_body

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue


def sign_in(venue: Venue, call: Call) -> Reply:
    """POST /auth: a JWT for a signed request. The venue's SDK puts its public key in the path."""
    jwt = venue.authority.sign_in(
        call.headers,
        venue.now_s(),
        path_key=call.path.get("public_key"),
        usage=call.query.get("token_usage", "api"),
    )
    return Reply({"jwt_token": jwt})


def check_onboarding(venue: Venue, call: Call) -> Reply:
    """GET /onboarding: the address that a public key owns, and whether it is known here."""
    signer = call.query["account_signer_type"]
    if signer != "starknet":
        raise ApiError("INVALID_REQUEST_PARAMETER", f"account_signer_type={signer!r}: the local venue has starknet")
    public = _public_key(call.query.get("public_key", ""))
    address = address_of(public)
    return Reply(
        {
            "account_signer_type": signer,
            "address": hex(address),
            "derivation_info": {"class_hash": ACCOUNT_HASH, "proxy_class_hash": PROXY_HASH},
            "exists": venue.registry.find(address) is not None,
        }
    )


def onboard(venue: Venue, call: Call) -> Reply:
    """POST /onboarding: enters an account, without money. Calling it again changes nothing."""
    public = _public_key(check_body(call.body, "requests.Onboarding").get("public_key", ""))
    if not call.headers.get("PARADEX-ETHEREUM-ACCOUNT"):
        raise ApiError("INVALID_ETHEREUM_ADDRESS", "header PARADEX-ETHEREUM-ACCOUNT is required")
    venue.authority.check_onboarding(call.headers, public, address_of(public))
    venue.onboard(public)
    return Reply()


def list_subkeys(venue: Venue, call: Call) -> Reply:
    """GET /account/keys/subkeys."""
    owner = call.session.owner
    shown = [key for key in owner.subkeys.values() if key.is_active or call.query.get("with_revoked")]
    return Reply({"results": [_subkey(owner, key) for key in shown]})


def fetch_subkey(venue: Venue, call: Call) -> Reply:
    """GET /account/keys/subkeys/{public_key}."""
    owner = call.session.owner
    return Reply(_subkey(owner, _find_subkey(owner, call.path["public_key"])))


def revoke_subkey(venue: Venue, call: Call) -> Reply:
    """DELETE /account/keys/subkeys/{public_key}: takes effect at once, on its tokens too."""
    key = _find_subkey(call.session.owner, call.path["public_key"], status=400)
    key.revoked_at_ns = key.updated_at_ns = venue.now_ns()
    return Reply({"public_key": hex(key.public_key)})


def list_tokens(venue: Venue, call: Call) -> Reply:
    """GET /account/tokens."""
    now = venue.now_s()
    kind, with_invalid = call.query.get("kind"), call.query.get("with_invalid", False)
    shown = [
        token
        for token in venue.authority.tokens_of(call.session.owner)
        if (kind is None or token.kind == kind)
        and (with_invalid or (token.revoked_at_s == 0 and token.expires_at_s > now))
    ]
    return Reply({"results": [_token(token) for token in shown]})


def revoke_token(venue: Venue, call: Call) -> Reply:
    """DELETE /account/tokens/{lookup_id}."""
    token = venue.authority.revoke(call.session.owner, call.path["lookup_id"], venue.now_s())
    return Reply({"lookup_id": token.lookup_id})


def _public_key(text: str) -> int:
    try:
        return parse_felt(text)
    except ValueError as exc:
        raise ApiError("PUBLIC_KEY_INVALID", f"public_key {text!r}: {exc}") from exc


def _find_subkey(owner: Owner, text: str, *, status: int = 404) -> Subkey:
    key = owner.subkeys.get(_public_key(text))
    if key is None:
        raise ApiError("NOT_FOUND", "no such subkey under this account", status=status)
    return key


def _subkey(owner: Owner, key: Subkey) -> dict[str, Any]:
    return {
        "account_id": owner.text,
        "allowed_cidrs": [],
        "created_at": key.created_at_ns,
        "id": key.id,
        "name": key.name,
        "public_key": hex(key.public_key),
        "revoked_at": key.revoked_at_ns,
        "state": "active" if key.is_active else "revoked",
        "updated_at": key.updated_at_ns,
    }


def _token(token: Token) -> dict[str, Any]:
    return {
        "allowed_cidrs": [],
        "created_at": token.created_at_s * NS,
        "expiry_at": token.expires_at_s * NS,
        "kind": token.kind,
        "last_updated_at": token.updated_at_s * NS,
        "lookup_id": token.lookup_id,
        "name": token.name,
        "revoked_at": token.revoked_at_s * NS,
        "token_id": token.lookup_id,
    }


ROUTES = (
    Route("POST", "/auth", sign_in, "public", "auth", alias="/auth/{public_key}"),
    Route("GET", "/onboarding", check_onboarding, "public", "public"),
    Route("POST", "/onboarding", onboard, "public", "onboarding", takes_body=True),
    Route("GET", "/account/keys/subkeys", list_subkeys, "read", "private"),
    Route("GET", "/account/keys/subkeys/{public_key}", fetch_subkey, "read", "private"),
    Route("DELETE", "/account/keys/subkeys/{public_key}", revoke_subkey, "main", "private"),
    Route("GET", "/account/tokens", list_tokens, "read", "private"),
    Route("DELETE", "/account/tokens/{lookup_id}", revoke_token, "main", "private"),
)
