"""What an order's signature covers, against vectors made with the venue's own SDK and by third parties."""

import random
from decimal import Decimal

import fast_stark_crypto
import pytest

from perpkit.sim.venues.extended.listing import synthetic
from perpkit.sim.venues.extended.settlement import Amounts, L2Config, OrderHasher, Terms, amounts_of, expiration_s

D = Decimal
PUBLIC = 0x4838C4ED86F1C9B4FE1AAC884AC79431B0243B79D9E24500EB0F6229F4FE72A
VAULT = 500343
BTC = L2Config(0x4254432D3600000000000000000000, 1_000_000, 1, 1_000_000)
ETH = L2Config(0x4554482D3500000000000000000000, 100_000, 1, 1_000_000)
ODD = {"qty": D("0.0333333"), "price": D("3333.3333333"), "fee": D("0.00025"), "expiry_ms": 1788264000000, "nonce": 7}

VECTORS = {
    "V1 buy": (
        "SN_MAIN",
        BTC,
        Terms(True, D("0.001"), D(84000), D("0.00025"), 1788264000000, 1473459052),
        Amounts(1000, -84000000, 21000),
        1789473600,
        0x1301044ACD2F6DF49DC4071A322C110B4311B09CD8B84CAF68AE46B30B80EE3,
        0x5C9229F13FF64A813407534DDF89180EDA91644612D96FB4581898023DEE55F,
        0x77CC436B80853AD0C695E927F78C6041121B24B6A4D45FA93E45088A6BC89C1,
    ),
    "V2 market sell with a builder's fee": (
        "SN_MAIN",
        ETH,
        Terms(False, D("0.0123"), D("3456.7"), D("0.00025") + D("0.0001"), 1788264000124, 876542),
        Amounts(-1230, 42517410, 14882),
        1789473601,
        0x1F16B316CC3985EEBF3FC25719A58C6E7B929334EAF25FF38C2D29478D92480,
        0x37A799FAEF12B34A4426050FF880F221B03A54633C98BF94BF14C34D6220F9C,
        0x390108BEF2E5A710C1B5846A7EC02E587BDEF727F76CF0F55B356F2B4487B05,
    ),
    "V3 testnet": (
        "SN_SEPOLIA",
        ETH,
        Terms(True, D("0.0333"), D("3333.3"), D("0.00025"), 1788264001000, 1),
        Amounts(3330, -110998890, 27750),
        1789473601,
        0x2A6AE2D4AD3285AFC5DE6C4BFF7804E634E9EAE40525FB9A5A41149EFD7CF0A,
        0x6042AFF526414705620888B869B13642DD5C759A67E9627A95B4FDA3DC588C4,
        0x4C393722886304C3A7491F92884C2BA975EDF5AA60D1AB3953AD035DA72EF82,
    ),
    "R1 a buy is rounded up": (
        "SN_MAIN",
        ETH,
        Terms(is_buy=True, **ODD),
        Amounts(3334, -111111000, 27778),
        1789473600,
        0x7FC57CCA6AFD46946ED3EB98050F5C27E346AD16E46F52921EF6B40F23E0FA8,
        0x7E232B312AFA9BFBEB286F905B73484651A9B5ADDF723FDB1DACC225616A672,
        0x7207E4613FC80A8E76B8B3BEBF5992AB6691D6C9CA6C7026BEB412397DBE739,
    ),
    "R2 a sell is rounded down": (
        "SN_MAIN",
        ETH,
        Terms(is_buy=False, **ODD),
        Amounts(-3333, 111110999, 27778),
        1789473600,
        0x3B90E63CB8835A242BB9CC8C1E32640519E65D61226CA5855F6747391526BFA,
        0x1AB50C34CB355A8E787216B615FD5A76849732056A33E4A7B4C42BC547F99B8,
        0x4998D15762E9E55E375F8FBBEDAECD29BD72B38D752998777B10DE32C473E,
    ),
    "T1 take-profit leg": (
        "SN_MAIN",
        BTC,
        Terms(False, D("0.001"), D(89500), D("0.00025"), 1788264000000, 1473459052),
        Amounts(-1000, 89500000, 22375),
        1789473600,
        None,
        0x326436B195C303397C9BCFC7A9F30A2BA2A6179B0FD5895CE8C0F59BEAA451F,
        0xE6937044CDBF84B920D36B14AE4BDC070CC471427F1C9BF1CDE6D226D6FCCD,
    ),
    "T1 stop-loss leg": (
        "SN_MAIN",
        BTC,
        Terms(False, D("0.001"), D(79000), D("0.00025"), 1788264000000, 1473459052),
        Amounts(-1000, 79000000, 19750),
        1789473600,
        None,
        0x1B6D0519AC08855C453E9AD4F106BF7627D7E433579038F63A1DAD092373ED0,
        0x30B148F2A5F01AD78DEEFEF7C2612BE567F50060D807EA2AB7E8082147D1353,
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_orders_hash_and_verify_as_the_venue_s_sdk_signs_them(name):
    """Amounts, expiration, message hash, and the SDK's own signature of it."""
    chain, l2, terms, amounts, expiration, message, r, s = VECTORS[name]
    hasher = OrderHasher(chain)
    assert amounts_of(terms, l2) == amounts
    assert expiration_s(terms.expiry_ms) == expiration
    if message is not None:
        assert hasher.message_hash(terms, l2, VAULT, PUBLIC) == message
    assert hasher.is_signed(terms, l2, VAULT, PUBLIC, (r, s))
    assert not hasher.is_signed(terms, l2, VAULT + 1, PUBLIC, (r, s))


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("SN_MAIN", 0x38D7910D4785470E8138BA27E6130ABE78124C7F39B2AF4C28A5A426E631B79),
        ("SN_SEPOLIA", 0x62A6F0272BBF7EBBC25BF7432754DA4522FF6D54A9C1015F3D4248A0B3941E7),
    ],
)
def test_the_domain_hash_is_the_published_one(chain, expected):
    """Sepolia's is a constant in the tests of the venue's own library."""
    assert OrderHasher(chain).domain_hash == expected


def test_the_order_hash_is_the_sdk_s():
    """Of V1, without the domain and the key around it."""
    _, l2, terms, *_ = VECTORS["V1 buy"]
    expected = 0x6A33A34118CFA8DB1F94DC23F8CC9F743F20FEF56A3CCDB48ABCFF4E28AE46B
    assert OrderHasher("SN_MAIN").order_hash(terms, l2, VAULT) == expected


def test_synthetic_ids_are_short_names_aligned_left():
    """As the venue's own for bitcoin."""
    assert synthetic("BTC-6") == 0x4254432D3600000000000000000000


def test_random_orders_hash_as_the_venue_s_own_library_hashes_them():
    """200 orders of every size and both sides, on either chain: one number from two implementations."""
    seed = 20261129
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(200):
        l2 = L2Config(rng.randrange(1, 2**120), 10 ** rng.randrange(9), rng.randrange(1, 2**60), 1_000_000)
        terms = Terms(
            is_buy=rng.random() < 0.5,
            qty=D(rng.randrange(1, 10**9)).scaleb(-rng.randrange(9)),
            price=D(rng.randrange(1, 10**6)).scaleb(-rng.randrange(6)),
            fee=D(rng.randrange(10**4)).scaleb(-6),
            expiry_ms=rng.randrange(1, 2**42),
            nonce=rng.randrange(1, 2**32),
        )
        vault, public, chain = rng.randrange(2**32), rng.randrange(1, 2**250), rng.choice(["SN_MAIN", "SN_SEPOLIA"])
        amounts = amounts_of(terms, l2)
        if max(abs(amounts.base), abs(amounts.quote)) >= 2**63:
            continue
        expected = fast_stark_crypto.get_order_msg_hash(
            position_id=vault,
            base_asset_id=l2.synthetic_id,
            base_amount=amounts.base,
            quote_asset_id=l2.collateral_id,
            quote_amount=amounts.quote,
            fee_asset_id=l2.collateral_id,
            fee_amount=amounts.fee,
            expiration=expiration_s(terms.expiry_ms),
            salt=terms.nonce,
            user_public_key=public,
            domain_name="Perpetuals",
            domain_version="v0",
            domain_chain_id=chain,
            domain_revision="1",
        )
        assert OrderHasher(chain).message_hash(terms, l2, vault, public) == expected, terms
