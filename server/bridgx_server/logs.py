"""Structured logs, one JSON object a line by default."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TextIO

import structlog


def set_up(level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Sets the least level, the form (``json`` or ``console``) and the stream of all logs of this process."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    # Vendors' SDKs log whole requests, passwords included, at lower levels.
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(levelname)s %(name)s")
    for name in (
        "alibabacloud_credentials",
        "boto3",
        "botocore",
        "urllib3",
        "baidubce",
        "huaweicloudsdkcore",
        "tencentcloud_sdk_common",
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def written_to(stream: TextIO, level: str, form: str) -> Iterator[None]:
    """As :func:`set_up`, for the block: what logs after it must not meet a stream that is closed by then."""
    before = structlog.get_config()
    set_up(level, form, stream)
    mine = structlog.get_config()["logger_factory"]
    try:
        yield
    finally:
        if structlog.get_config()["logger_factory"] is mine:
            structlog.configure(**before)
