"""STS 2011-06-15: the operation that says who calls, in the protocol of its own ("query") that STS has.

Source: AWS Security Token Service API reference, GetCallerIdentity and Common Errors.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from xml.sax.saxutils import escape

from aiohttp import web

from bridgx_server.cloudsim.aws.errors import Refused
from bridgx_server.cloudsim.entities import number_of
from bridgx_server.cloudsim.front import Call

VERSION = "2011-06-15"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
ACTION = "GetCallerIdentity"


def check(form: Mapping[str, str]) -> None:
    """Refuses what is no call of this operation; raises Refused."""
    if form.get("Version") != VERSION or form.get("Action") != ACTION:
        message = f"Could not find operation {form.get('Action')} for version {form.get('Version')}"
        raise Refused(400, "InvalidAction", message)
    unknown = sorted(set(form) - {"Action", "Version"})
    if unknown:
        raise Refused(400, "InvalidQueryParameter", f"Unexpected parameter {unknown[0]}")


def perform(call: Call) -> web.Response:
    """The answer of GetCallerIdentity."""
    account = number_of(call.account, 12)
    who = ("root", account) if call.key == call.account else (f"user/{call.key}", f"AIDA{number_of(call.key, 16)}")
    fields = {"Arn": f"arn:aws:iam::{account}:{who[0]}", "UserId": who[1], "Account": account}
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return _document(
        200,
        f'<{ACTION}Response xmlns="{NAMESPACE}"><{ACTION}Result>{inner}</{ACTION}Result>'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{ACTION}Response>",
    )


def refusal(error: Refused) -> web.Response:
    """The error document of STS, which is not that of EC2."""
    kind = "Sender" if error.status < 500 else "Receiver"
    return _document(
        error.status,
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>",
    )


def _document(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/xml")
