"""Structured logs, one JSON object a line by default."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

import structlog

from bridgx_server.log_lines import Lines

_ENCODER = json.JSONEncoder(default=repr)

# What passes through these may quote a request in its text, and requests hold passwords and signatures.
VENDORS = (
    "alibabacloud",
    "Tea",
    "darabonba",
    "huaweicloudsdk",
    "tencentcloud",
    "baidubce",
    "boto3",
    "botocore",
    "requests",
    "urllib3",
    "http",
)


def set_up(level: str, form: str, stream: TextIO = sys.stderr) -> Lines:
    """Sets the least level, the form (``json`` or ``console``) and the stream of all logs of this process."""
    lines = Lines(stream)
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(_as_json) if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_rendered),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    # Vendors' SDKs log whole requests, passwords included, at lower levels.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter("%(levelname)s %(name)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in (
        "alibabacloud_credentials",
        "credentials",
        "boto3",
        "botocore",
        "urllib3",
        "baidubce",
        "huaweicloudsdkcore",
        "tencentcloud_sdk_common",
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return lines


@contextlib.contextmanager
def written_to(stream: TextIO, level: str, form: str) -> Iterator[None]:
    """As :func:`set_up`, for the block: what logs after it must not meet a stream that is closed by then."""
    before = structlog.get_config()
    lines = set_up(level, form, stream)
    mine = structlog.get_config()["logger_factory"]
    try:
        yield
    finally:
        lines.close()
        if structlog.get_config()["logger_factory"] is mine:
            structlog.configure(**before)


def exception_text(error: BaseException) -> str:
    """An exception with its traceback and what it was raised from, without the texts of those that an SDK had a part in."""
    return "\n\n".join(_told(part) for part in reversed(list(_chain(error))))


def _told(error: BaseException) -> str:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    text = "(its text is left out: it may quote a request)" if _of_a_vendor(error) else str(error)
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{kind}: {text}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _of_a_vendor(error: BaseException) -> bool:
    modules = [type(error).__module__]
    modules += [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(module.startswith(VENDORS) for module in modules)


def _as_json(line: dict[str, object], **_: object) -> str:
    """As ``json.dumps``, which makes an encoder anew for each line."""
    return _ENCODER.encode(line)


def _rendered(exc_info: structlog.typing.ExcInfo) -> str:
    return exception_text(exc_info[1])


class _Formatter(logging.Formatter):
    """Of other libraries' lines: level and logger alone, since their texts may quote anything."""

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return "" if ei[1] is None else exception_text(ei[1])
