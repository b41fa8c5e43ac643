"""What a cloud said is told without secrets, and with all else that it said."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from bridgx_server.providers.redaction import MASK, redacted

LONG = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PASSWORD = "Passw0rd!"


@pytest.mark.parametrize("secret", ["", "a", "e", "the", "in", "zone", "cn-a", "Zone-1a"])
def test_what_is_too_short_to_be_a_secret_strikes_nothing_out(secret: str) -> None:
    text = "the instance in zone cn-a (Zone-1a) cannot be started: a quota is exceeded"
    assert redacted(text, [secret]) == text


def test_a_password_inside_a_longer_word_is_there_by_chance() -> None:
    text = "image Windows-2019a of XWindows-2019, and Windows-20190"
    assert redacted(text, ["Windows-2019"]) == text
    assert redacted("the password Windows-2019 is weak", ["Windows-2019"]) == f"the password {MASK} is weak"


@pytest.mark.parametrize("secret", [LONG, PASSWORD])
@pytest.mark.parametrize(
    "quoted",
    [
        lambda secret: secret,
        lambda secret: f"Password={secret}&x=1",
        lambda secret: f"?a=1%26Password%3D{quote(secret, safe='')}%26b",
        lambda secret: quote(quote(f"Password={secret}&", safe=""), safe=""),
        lambda secret: json.dumps({"p": f"root:{secret}\n{secret}"}),
        lambda secret: json.dumps(json.dumps({"p": secret})),
        lambda secret: secret.encode().hex(),
        lambda secret: base64.b64encode(f"#!/bin/sh\necho root:{secret} | chpasswd\n".encode()).decode(),
        lambda secret: base64.b64encode(f"xy{secret}".encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_form_that_a_text_may_have_it_in(secret: str, quoted: object) -> None:
    told = redacted(f"refused: {quoted(secret)} was sent", [secret])  # type: ignore[operator]
    assert MASK in told
    for form in (secret, quote(secret, safe=""), secret.encode().hex()):
        assert form not in told
    assert told.startswith("refused: ")
    assert told.endswith(" was sent")
