"""How a load test's failure is shown: what is wrong and what to try, and no traceback of ours."""

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from straingauge.errors import StraingaugeError


def in_words(error: StraingaugeError) -> str:
    """The error's message and hint, as the user reads them."""
    return f"{error}\n  try: {error.hint}" if error.hint else str(error)


def representation(error: StraingaugeError, item: pytest.Item) -> ReprExceptionInfo:
    """What pytest shows for the error, in its failures and in its summary line.

    It is made of pytest's own parts, since only those travel from an xdist worker.
    """
    path, line, _ = item.location
    first_line = str(error).partition("\n")[0]
    return ReprExceptionInfo(
        reprcrash=ReprFileLocation(path, (line or 0) + 1, first_line),
        reprtraceback=ReprTraceback(
            [ReprEntryNative([in_words(error) + "\n"])], extraline=None, style="native"
        ),
    )
