"""Signing in at the authority itself; the HTTP side is in test_rest_auth."""

import base64
import json

import pytest

from perpkit.crypto.stark import public_key, sign
from perpkit.sim.venues.paradex.accounts import Registry
from perpkit.sim.venues.paradex.auth import Authority, TokenError
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.verify import MessageHasher

CHAIN = "PRIVATE_SN_POTC_SEPOLIA"
NOW = 1_760_000_000
KEY, SUBKEY, STRANGER = 1234567, 7654321, 1111111


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def owner(registry):
    owner = registry.onboard(public_key(KEY), NOW * 1000)
    registry.register_subkey(owner, public_key(SUBKEY), "bot", NOW * 10**9)
    return owner


@pytest.fixture
def authority(registry):
    return Authority(b"secret", "perpkit local paradex", registry, MessageHasher(CHAIN))


def headers(owner, key=KEY, *, timestamp=NOW, expiration=NOW + 1800, chain=CHAIN, **changes):
    r, s = sign(key, MessageHasher(chain).auth(owner.address, timestamp, expiration))
    made = {
        "PARADEX-STARKNET-ACCOUNT": owner.text,
        "PARADEX-STARKNET-SIGNATURE": f'["{r}","{s}"]',
        "PARADEX-TIMESTAMP": str(timestamp),
        "PARADEX-SIGNATURE-EXPIRATION": str(expiration),
    }
    made.update({name.replace("_", "-"): value for name, value in changes.items()})
    return {name: value for name, value in made.items() if value is not None}


def sign_in(authority, made, now=NOW, path_key=None, usage="api"):
    return authority.sign_in(made, now, path_key=path_key, usage=usage)


def test_a_token_lives_exactly_five_minutes(authority, owner):
    """Read at 299 s, refused at 300 s; the claims say so too."""
    token = sign_in(authority, headers(owner))
    assert authority.read(token, NOW + 299).address == owner.text
    with pytest.raises(TokenError, match="expired") as refusal:
        authority.read(token, NOW + 300)
    assert not refusal.value.malformed
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["iat"], claims["exp"], claims["sub"]) == (NOW, NOW + 300, owner.text)


@pytest.mark.parametrize(("key", "kind"), [(KEY, "main"), (SUBKEY, "subkey")])
@pytest.mark.parametrize("in_path", [True, False])
def test_both_keys_sign_in_with_or_without_the_key_in_the_path(authority, owner, key, kind, in_path):
    """A subkey signs in for the main address; the path may carry its public key."""
    path_key = hex(public_key(key)) if in_path else None
    session = authority.read(sign_in(authority, headers(owner, key), path_key=path_key), NOW)
    assert (session.kind, session.address) == (kind, owner.text)


def test_the_expiration_header_defaults_to_half_an_hour(authority, owner):
    """Left out, the signature covers timestamp + 30 minutes."""
    assert sign_in(authority, headers(owner, PARADEX_SIGNATURE_EXPIRATION=None))


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"PARADEX_STARKNET_ACCOUNT": None}, "INVALID_REQUEST_PARAMETER", 400),
        ({"PARADEX_STARKNET_SIGNATURE": None}, "INVALID_REQUEST_PARAMETER", 400),
        ({"PARADEX_TIMESTAMP": None}, "INVALID_REQUEST_PARAMETER", 400),
        ({"PARADEX_STARKNET_ACCOUNT": "12"}, "INVALID_STARKNET_ADDRESS", 400),
        ({"PARADEX_STARKNET_ACCOUNT": " 0xzz"}, "INVALID_STARKNET_ADDRESS", 400),
        ({"PARADEX_STARKNET_ACCOUNT": "0x123"}, "NOT_ONBOARDED", 401),
        ({"PARADEX_STARKNET_SIGNATURE": "garbage"}, "INVALID_STARKNET_SIGNATURE", 400),
        ({"PARADEX_STARKNET_SIGNATURE": '["1","2"]'}, "STARKNET_SIGNATURE_VERIFICATION_FAILED", 401),
        ({"PARADEX_TIMESTAMP": "soon"}, "INVALID_TIMESTAMP", 400),
        ({"PARADEX_TIMESTAMP": str(NOW - 1)}, "STARKNET_SIGNATURE_VERIFICATION_FAILED", 401),
        ({"timestamp": NOW + 60}, "INVALID_TIMESTAMP", 400),
        ({"timestamp": NOW - 3600}, "STARKNET_SIGNATURE_VERIFICATION_FAILED", 401),
        ({"expiration": NOW}, "INVALID_TIMESTAMP", 400),
        ({"expiration": NOW + 8 * 24 * 3600}, "INVALID_TIMESTAMP", 400),
        ({"chain": "PRIVATE_SN_PARACLEAR_MAINNET"}, "STARKNET_SIGNATURE_VERIFICATION_FAILED", 401),
        ({"key": STRANGER}, "STARKNET_SIGNATURE_VERIFICATION_FAILED", 401),
    ],
)
def test_a_sign_in_that_does_not_hold_is_refused_with_its_code(authority, owner, changes, code, status):
    """Each header, the times, the chain and the key are checked."""
    made = headers(owner, **changes)
    if changes == {"timestamp": NOW - 3600}:
        made["PARADEX-SIGNATURE-EXPIRATION"] = str(NOW + 1)  # not what was signed
    with pytest.raises(ApiError) as refusal:
        sign_in(authority, made)
    assert (refusal.value.code, refusal.value.status) == (code, status)


@pytest.mark.parametrize(("path_key", "code"), [("0xnothex", "PUBLIC_KEY_INVALID"), (hex(99), "INVALID_SUBKEY")])
def test_the_key_in_the_path_must_be_one_of_the_accounts(authority, owner, path_key, code):
    """A key that is no key, or nobody's here, is told apart."""
    with pytest.raises(ApiError) as refusal:
        sign_in(authority, headers(owner), path_key=path_key)
    assert refusal.value.code == code


def test_a_revoked_subkey_neither_signs_in_nor_keeps_its_tokens(authority, owner):
    """Revoking takes effect on tokens already issued."""
    token = sign_in(authority, headers(owner, SUBKEY))
    owner.subkeys[public_key(SUBKEY)].revoked_at_ns = NOW * 10**9
    with pytest.raises(TokenError, match="revoked"):
        authority.read(token, NOW)
    with pytest.raises(ApiError, match="VERIFICATION_FAILED"):
        sign_in(authority, headers(owner, SUBKEY))


def test_a_revoked_token_is_refused(authority, owner):
    """A read-only token that was revoked reads nothing."""
    token = authority.issue_readonly(owner, "reader", NOW)
    assert authority.read(token, NOW + 10**6).kind == "readonly"
    (entry,) = authority.tokens_of(owner)
    authority.revoke(owner, entry.lookup_id, NOW)
    with pytest.raises(TokenError, match="revoked"):
        authority.read(token, NOW)


@pytest.mark.parametrize("change", [str.strip, lambda t: t[:-3] + "AAA", lambda t: t.replace(".", "", 1)])
def test_only_an_untouched_token_is_read(authority, owner, change):
    """A token that was changed, cut or padded is refused; unchanged it is read."""
    token = sign_in(authority, headers(owner))
    changed = change(token)
    if changed == token:
        assert authority.read(changed, NOW).address == owner.text
    else:
        with pytest.raises(TokenError):
            authority.read(changed, NOW)


@pytest.mark.parametrize("bearer", ["", "x", "a.b", " a.b.c", "a.b.c.d", "!.!.!"])
def test_a_text_that_is_no_token_is_malformed(authority, bearer):
    """Malformed is told from invalid, as the WebSocket has a code for each."""
    with pytest.raises(TokenError) as refusal:
        authority.read(bearer, NOW)
    assert refusal.value.malformed


def test_a_token_of_another_venue_is_invalid(registry, authority, owner):
    """A well-formed token with another signature is not accepted."""
    other = Authority(b"another secret", "perpkit local paradex", registry, MessageHasher(CHAIN))
    with pytest.raises(TokenError) as refusal:
        authority.read(sign_in(other, headers(owner)), NOW)
    assert not refusal.value.malformed
