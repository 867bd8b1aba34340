"""Signing in, tokens and scopes over HTTP."""

from datetime import timedelta

import pytest

from perpkit.crypto.stark import public_key, sign
from perpkit.sim.venues.paradex import LocalParadex, Settings
from perpkit.sim.venues.paradex.accounts import address_of

from .harness import Client, Signer


async def test_both_paths_give_a_token(sim, trader):
    """``/auth`` and ``/auth/{public_key}`` are the same sign-in; retail tokens are asked for by a query."""
    for path in ("/auth", f"/auth/{trader.signer.public_key}"):
        assert (await trader.sign_in(path)).status == 200
    assert (await trader.sign_in(token_usage="interactive")).status == 200
    assert (await trader.sign_in(token_usage="other")).refusal == (400, "INVALID_REQUEST_PARAMETER")


async def test_a_token_ends_with_the_venues_clock(sim, trader):
    """After 5 minutes of the simulator's time the same token is refused, and a new one serves."""
    assert (await trader.get("/balance")).status == 200
    sim.clock.advance(timedelta(minutes=5))
    assert (await trader.get("/balance")).refusal == (401, "INVALID_TOKEN")
    trader.token = (await trader.sign_in()).body["jwt_token"]
    assert (await trader.get("/balance")).status == 200


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer a.b.c"])
async def test_without_a_token_nothing_private_is_shown(sim, anybody, header):
    """Missing and malformed bearers are 401."""
    headers = {} if header is None else {"Authorization": header}
    assert (await anybody.request("GET", "/account", headers=headers)).refusal == (401, "INVALID_TOKEN")


async def test_a_padded_token_is_refused(sim, trader):
    """Whitespace around a token is not forgiven."""
    answer = await trader.request("GET", "/account", headers={"Authorization": f"Bearer  {trader.token}"})
    assert answer.refusal == (401, "INVALID_TOKEN")


async def test_a_subkey_trades_for_the_main_account(sim):
    """Signed in with the subkey under the main address, an order is taken in; the account is the main one."""
    account = sim.accounts[0]
    async with Client(sim, Signer(sim, account, account.subkey)) as client:
        assert (await client.place())["account"] == account.address
        key = account.subkey_public_key
        assert (await client.delete(f"/account/keys/subkeys/{key}")).refusal == (403, "INVALID_TOKEN_SCOPE")


async def test_a_read_only_token_reads_and_does_not_write(sim):
    """Every read serves; placing, changing, canceling and margin are 403."""
    account = sim.accounts[0]
    async with Client(sim, Signer(sim, account), token=account.readonly_token) as client:
        for path in ("/account", "/balance", "/positions", "/orders", "/fills", "/account/info"):
            assert (await client.get(path)).status == 200
        sim.clock.advance(timedelta(hours=1))
        assert (await client.get("/account")).status == 200
        refused = [
            await client.post("/orders", client.signer.order()),
            await client.post("/orders/batch", [client.signer.order()]),
            await client.delete("/orders"),
            await client.delete("/orders/1"),
            await client.delete("/orders/by_client_id/1"),
            await client.delete("/orders/batch", {"order_ids": ["1"]}),
            await client.put("/orders/1", {}),
            await client.post("/account/margin/BTC-USD-PERP", {"leverage": 5, "margin_type": "CROSS"}),
        ]
        assert {answer.refusal for answer in refused} == {(403, "INVALID_TOKEN_SCOPE")}


async def test_revoking_a_subkey_ends_its_tokens(sim, trader):
    """The main key revokes; listing shows it only when asked for revoked ones."""
    account = sim.accounts[0]
    key = account.subkey_public_key
    async with Client(sim, Signer(sim, account, account.subkey)) as client:
        assert (await trader.get(f"/account/keys/subkeys/{key}")).body["state"] == "active"
        assert (await trader.delete(f"/account/keys/subkeys/{key}")).body == {"public_key": key}
        assert (await client.get("/balance")).refusal == (401, "INVALID_TOKEN")
        assert (await client.sign_in()).refusal == (401, "STARKNET_SIGNATURE_VERIFICATION_FAILED")
    assert (await trader.get("/account/keys/subkeys")).results == []
    (shown,) = (await trader.get("/account/keys/subkeys", with_revoked="true")).results
    assert shown["state"] == "revoked"
    assert (await trader.get("/account/keys/subkeys/0x5")).refusal == (404, "NOT_FOUND")
    assert (await trader.get("/account/keys/subkeys/five")).refusal == (400, "PUBLIC_KEY_INVALID")


async def test_revoking_a_token_ends_it(sim, trader):
    """A read-only token that is revoked by its lookup id reads nothing more."""
    account = sim.accounts[0]
    (entry,) = (await trader.get("/account/tokens", kind="api_key")).results
    assert (await trader.delete(f"/account/tokens/{entry['lookup_id']}")).status == 200
    assert (await trader.delete("/account/tokens/none")).refusal == (400, "NOT_FOUND")
    async with Client(sim, token=account.readonly_token) as client:
        assert (await client.get("/account")).refusal == (401, "INVALID_TOKEN")
    kept = (await trader.get("/account/tokens", with_invalid="true")).results
    assert {row["lookup_id"]: row["revoked_at"] > 0 for row in kept}[entry["lookup_id"]]


async def test_a_key_of_another_environment_does_not_sign_in(sim, anybody):
    """A signature for the main network's chain id is refused here."""
    signer = Signer(sim, sim.accounts[0], chain_id="PRIVATE_SN_PARACLEAR_MAINNET")
    answer = await anybody.request("POST", "/auth", headers=signer.auth_headers())
    assert answer.refusal == (401, "STARKNET_SIGNATURE_VERIFICATION_FAILED")


@pytest.mark.parametrize(("offset", "code"), [(60, "INVALID_TIMESTAMP"), (-1900, "INVALID_TIMESTAMP")])
async def test_a_clock_that_is_off_is_refused(sim, anybody, offset, code):
    """A minute ahead, or so far behind that the signature has expired."""
    signer = Signer(sim, sim.accounts[0])
    stamp = sim.clock.now_ms() // 1000 + offset
    answer = await anybody.request("POST", "/auth", headers=signer.auth_headers(timestamp=stamp))
    assert answer.refusal == (400, code)


async def test_a_new_key_is_onboarded_and_then_signs_in(sim, anybody):
    """Unknown at first, then entered by its signature, without money."""
    private = 987654321
    public = public_key(private)
    address = address_of(public)
    query = {"account_signer_type": "starknet", "public_key": hex(public)}
    assert (await anybody.get("/onboarding", **query)).body["exists"] is False
    r, s = sign(private, sim.venue.hasher.onboarding(address))
    headers = {
        "PARADEX-ETHEREUM-ACCOUNT": "0x" + "1" * 40,
        "PARADEX-STARKNET-ACCOUNT": hex(address),
        "PARADEX-STARKNET-SIGNATURE": f'["{r}","{s}"]',
    }
    body = {"public_key": hex(public)}
    wrong = headers | {"PARADEX-STARKNET-SIGNATURE": '["1","2"]'}
    refused = await anybody.request("POST", "/onboarding", headers=wrong, body=body)
    assert refused.refusal == (401, "STARKNET_SIGNATURE_VERIFICATION_FAILED")
    foreign = headers | {"PARADEX-STARKNET-ACCOUNT": "0x1"}
    refused = await anybody.request("POST", "/onboarding", headers=foreign, body=body)
    assert refused.refusal == (400, "INVALID_STARKNET_ADDRESS")
    assert (await anybody.request("POST", "/onboarding", headers=headers, body={"public_key": "x"})).status == 400
    for _ in range(2):
        assert (await anybody.request("POST", "/onboarding", headers=headers, body=body)).status == 200
    assert (await anybody.get("/onboarding", **query)).body == {
        "account_signer_type": "starknet",
        "address": hex(address),
        "derivation_info": (await anybody.get("/onboarding", **query)).body["derivation_info"],
        "exists": True,
    }
    assert (await anybody.get("/onboarding", account_signer_type="eip191")).status == 400
    assert sim.exchange.account(hex(address)).cash == 0


async def test_the_same_seed_gives_the_same_keys_and_another_gives_others():
    """Accounts can be written down once and used on every run; their secrets stay out of their text."""
    first, again, changed = LocalParadex(seed=5), LocalParadex(seed=5), LocalParadex(seed=6, settings=Settings())
    assert first.accounts == again.accounts
    assert first.accounts[0].private_key != changed.accounts[0].private_key
    text = repr(first.accounts[0])
    for secret in (first.accounts[0].private_key, first.accounts[0].subkey, first.accounts[0].readonly_token):
        assert secret not in text


@pytest.mark.parametrize(
    ("method", "path", "access", "allowed"),
    [
        ("GET", "/system/time", "public", 15),
        ("POST", "/auth", "sign-in", 6),
        ("POST", "/onboarding", "public", 6),
        ("GET", "/balance", "private", 1),
    ],
)
async def test_each_documented_quota_ends_in_429(sim, method, path, access, allowed):
    """Quotas cut to a hundredth: 1,500 and 600 a minute per address, 120 a second per account."""
    async with Client(sim, Signer(sim, sim.accounts[0])) as client:
        sim.venue.limiter.scale = 100
        sim.venue.limiter._buckets.clear()

        async def ask():
            if access == "sign-in":
                return await client.sign_in()
            return await client.request(method, path, body={} if method == "POST" else None)

        answers = [await ask() for _ in range(allowed + 1)]
        assert [answer.status == 429 for answer in answers] == [False] * allowed + [True]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert answers[-1].headers["X-RateLimit-Remaining"] == "0"
        sim.clock.advance(timedelta(seconds=int(answers[-1].headers["Retry-After"])))
        assert (await ask()).status != 429


async def test_a_venue_of_the_main_network_has_its_chain_id():
    """What is signed for the main network is accepted there, and only there."""
    async with LocalParadex(seed=3, settings=Settings(environment="prod")) as sim:
        async with Client(sim, Signer(sim, sim.accounts[0])) as client:
            assert (await client.get("/system/config")).body["starknet_chain_id"] == "PRIVATE_SN_PARACLEAR_MAINNET"
            assert (await client.place())["status"] == "NEW"
        foreign = Signer(sim, sim.accounts[0], chain_id="PRIVATE_SN_POTC_SEPOLIA")
        async with Client(sim) as client:
            answer = await client.request("POST", "/auth", headers=foreign.auth_headers())
            assert answer.refusal == (401, "STARKNET_SIGNATURE_VERIFICATION_FAILED")
