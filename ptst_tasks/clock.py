"""The time as records have it."""

from __future__ import annotations

import datetime
import os

from ptst_tasks.errors import ConfigError

__all__ = ["now"]


def now() -> str:
    """The time in UTC, ``2026-01-31T12:00:00Z``; that of SOURCE_DATE_EPOCH where it is set.

    Raises:
        ConfigError: If SOURCE_DATE_EPOCH says no time.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        at = (
            datetime.datetime.fromtimestamp(int(given), datetime.UTC)
            if given
            else datetime.datetime.now(datetime.UTC)
        )
    except (ValueError, OverflowError, OSError) as e:
        raise ConfigError(f"SOURCE_DATE_EPOCH is {given!r}, expected seconds since 1970") from e
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
