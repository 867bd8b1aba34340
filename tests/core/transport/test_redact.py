"""Secrets stay out of whatever is shown."""

from __future__ import annotations

import json
import logging
import pickle
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.core.transport.redact import Redactor, Secret

KEY = "0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
JWT = "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiIweDEyMyJ9.abc-DEF_ghi"


@pytest.mark.parametrize(
    "spelling",
    [KEY, KEY[2:], KEY.upper(), KEY[2:].upper(), KEY[3:], hex(int(KEY, 16)), str(int(KEY, 16)), f"{int(KEY, 16):064x}",
     f"  {KEY}\n", f'{{"k":"{KEY}"}}', f"https://x/?a={KEY}&b=1"],
)  # fmt: skip
def test_a_key_is_found_in_every_spelling(spelling: str) -> None:
    """With and without 0x, padded, in capitals, in decimal, inside other text."""
    redactor = Redactor()
    redactor.add(Secret(KEY + "\n"))
    shown = redactor.text(f"before {spelling} after")
    assert KEY[4:20] not in shown.lower()
    assert str(int(KEY, 16))[:20] not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_a_whole_number_is_hidden_as_one() -> None:
    """A key held as an int is found in hex and in decimal."""
    redactor = Redactor()
    redactor.add(int(KEY, 16), None)
    assert redactor.text(f"{int(KEY, 16)} {KEY}") == "*** 0x0***"


@pytest.mark.parametrize("digit", ["1", "f"])
def test_a_long_row_of_digits_is_hidden_as_it_is(digit: str) -> None:
    """A token may be nothing but digits, more than Python turns into a number."""
    redactor = Redactor()
    redactor.add(digit * 5000, None)
    assert redactor.text(f"got {digit * 5000}") == "got ***"


def test_tokens_need_no_registration() -> None:
    """Anything of the form of a JWT, and what follows Bearer, is hidden."""
    redactor = Redactor()
    assert redactor.text(f"token {JWT} end") == "token *** end"
    assert redactor.text("Authorization: Bearer abcdef123456") == "Authorization: Bearer ***"


def test_a_secret_with_special_characters_is_hidden_as_it_is_written_elsewhere() -> None:
    """In a URL it is percent-encoded, in JSON it is escaped."""
    redactor = Redactor()
    redactor.add('p@ss/w"ord\\1')
    for text in ("p%40ss%2Fw%22ord%5C1", '"p@ss\\/w\\"ord\\\\1"', 'p@ss/w"ord\\1', '"p@ss/w\\"ord\\\\1"'):
        assert "ord" not in redactor.text(f"x {text} y"), text


def test_headers_are_hidden_by_name() -> None:
    """What signs or authorizes is hidden; when it was signed is not, or a recording would prove nothing."""
    redactor = Redactor(header_names=["X-Odd"])
    headers = {
        "Authorization": "Bearer x",
        "PARADEX-STARKNET-SIGNATURE": '["1","2"]',
        "PARADEX-SIGNATURE-EXPIRATION": "1700000000",
        "X-Api-Key": "k",
        "x-odd": "o",
        "Cookie": "c",
        "Content-Type": "application/json",
    }
    assert [value for _, value in redactor.headers(headers)] == [
        "***", "***", "1700000000", "***", "***", "***", "application/json",
    ]  # fmt: skip


def test_fields_are_hidden_by_name_and_stay_strings() -> None:
    """Bodies keep their shape; an asset called token is no secret."""
    redactor = Redactor(field_names=["odd_field"])
    body = b'{"signature":"[\\"1\\",\\"2\\"]","jwt_token" : "x","oddField":5,"token":"USDC","size":"1","apiKey":"k"}'
    assert redactor.body(body) == (
        b'{"signature":"***","jwt_token" : "***","oddField":"***","token":"USDC","size":"1","apiKey":"***"}'
    )
    assert redactor.body(b'{"private_key":"cut sho') == b'{"private_key":"***"'
    assert redactor.body(b'\xff{"secret":"s"}') == b'\xff{"secret":"***"}'


def test_fields_of_json_within_json_and_within_a_form_are_hidden_too() -> None:
    """A signed transaction as a text of another body, in a form, in a list in a form: the rest of it stays."""
    signed = json.dumps({"Nonce": 7, "Sig": "c2ln+bmF0/dXJl==", "L2TxAttributes": None}, separators=(",", ":"))
    bodies = [
        json.dumps({"info": signed}),
        json.dumps({"txs": json.dumps([signed])}),
        urlencode({"tx_type": 14, "tx_info": signed}),
        urlencode({"tx_types": "[14,15]", "tx_infos": json.dumps([signed, signed])}),
    ]
    for body in bodies:
        hidden = Redactor().text(body)
        assert "c2ln" not in hidden
        assert "dXJl" not in hidden
        assert hidden.count("***") == body.count("c2ln")
        assert hidden.replace("***", "") == body.replace("c2ln+bmF0/dXJl==", "").replace("c2ln%2BbmF0%2FdXJl%3D%3D", "")


def test_queries_are_hidden_by_name() -> None:
    """In a URL as in a list of parameters."""
    redactor = Redactor()
    assert redactor.url("wss://x/v1?api_key=abc&market=BTC#f") == "wss://x/v1?api_key=***&market=BTC#f"
    assert redactor.params([("signature", "1"), ("market", "BTC")]) == (("signature", "***"), ("market", "BTC"))


def test_a_value_that_begins_with_another_leaves_no_tail() -> None:
    """The longer one is looked for first."""
    redactor = Redactor()
    redactor.add("secret-value", "secret-value-and-more", "secret-value-an")
    assert redactor.text("secret-value-and-more") == "***"


def test_a_short_value_does_not_spoil_the_text() -> None:
    """A value of a few characters would be found in ordinary words."""
    redactor = Redactor()
    redactor.add("a1", "", 7)
    assert redactor.text("a1 and 7") == "a1 and 7"


def test_old_tokens_of_a_slot_are_let_go() -> None:
    """A session token that is replaced every few minutes does not make the list grow."""
    redactor = Redactor()
    for number in range(100):
        redactor.rotate("session", f"opaque-token-{number:03}")
    assert redactor.text("opaque-token-099 opaque-token-096") == "*** ***"
    assert redactor.text("opaque-token-000") == "opaque-token-000"


def test_an_excerpt_is_redacted_before_it_is_cut() -> None:
    """A key across the edge of the excerpt leaves no half."""
    redactor = Redactor()
    redactor.add(KEY)
    for start in range(280, 310):
        text = "x" * start + KEY + "y" * 500
        for at in (0, start - 150, start + 10, start + 40, start + 200):
            shown = redactor.excerpt(text, at=at, limit=300)
            assert KEY[2:12] not in shown
            assert KEY[-12:] not in shown


def test_an_excerpt_of_a_huge_body_looks_at_its_surroundings_only() -> None:
    """Wherever the fault lies in 3 MB full of keys, the place is shown, and no part of a key."""
    redactor = Redactor()
    redactor.add(KEY)
    text = "".join(f"{number}:{KEY};" for number in range(40_000))
    for number in (0, 5, 20_000, 39_999):
        at = text.index(f"{number}:0x")
        shown = redactor.excerpt(text, at=at)
        assert f"{number}:***" in shown
        assert "0123456789abcdef" not in shown
        assert set(shown) <= set("0123456789:;*…")


def test_an_excerpt_has_no_control_characters() -> None:
    """What a server sends can't move the cursor of a terminal."""
    assert redactor_free(Redactor().excerpt(b"a\x1b[2Jb\nc"))


def redactor_free(text: str) -> bool:
    return text.isprintable()


@given(st.binary(max_size=200), st.text(max_size=50))
def test_redacting_never_raises(raw: bytes, secret: str) -> None:
    """Any bytes, with any secret registered, go through."""
    redactor = Redactor()
    redactor.add(secret)
    redactor.body(raw)
    redactor.excerpt(raw, at=len(raw))
    redactor.text(secret)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=80))
def test_a_registered_value_never_shows(secret: str) -> None:
    """Whatever its characters, the value is gone from text that holds it."""
    redactor = Redactor()
    redactor.add(secret)
    assert secret.lower() not in redactor.text(f"~ {secret} ~").lower().replace("***", "\0")


def test_a_secret_shows_itself_to_nobody() -> None:
    """Neither repr, str, format nor pickle give the value away; reveal does."""
    secret = Secret("hunter2-hunter2")
    assert [repr(secret), str(secret), f"{secret}", f"{secret:>20}", repr([secret])] == ["***"] * 4 + ["[***]"]
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert secret.reveal() == "hunter2-hunter2"
    assert secret == Secret("hunter2-hunter2")
    assert secret != "hunter2-hunter2"
    assert not Secret("")


def test_a_log_handler_shows_no_secret() -> None:
    """Arguments, tracebacks, stacks and extras are cleaned on their way to a handler."""
    redactor = Redactor()
    redactor.add(KEY)
    seen: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            record.shown = self.format(record)
            seen.append(record)

    handler = Keeping()
    handler.addFilter(redactor.logging_filter())
    logger = logging.getLogger("perpkit.test.redact")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError(f"the key {KEY} is bad")
    except ValueError:
        logger.exception("failed with %s and %d", KEY, 3, extra={"detail": KEY}, stack_info=True)
    (record,) = seen
    assert "0123456789abcdef" not in f"{record.shown}{record.__dict__}"
    assert "failed with *** and 3" in record.shown
    assert "ValueError: the key *** is bad" in record.shown


def test_a_log_record_that_can_not_be_formatted_still_passes() -> None:
    """A filter that raised would turn a log line into a failure of the program."""
    record = logging.LogRecord("n", logging.INFO, "p", 1, "%d", ("not a number",), None)
    assert Redactor().logging_filter().filter(record)
    assert "can't be formatted: TypeError" in record.getMessage()
