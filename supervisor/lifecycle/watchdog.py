"""systemd's watchdog (sd_watchdog_enabled(3)): fed from the event loop's pulse, and only while the loop is in time.

For `supervisor.lifecycle.program`. A program that hangs is not fed for, and systemd ends and starts it again
(WatchdogSec= in the unit). An outage of the store is no hang: the loop goes on, and so does the feeding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from stages.errors import Refused
from supervisor.term.pulse import PERIOD, Pulse

_MICRO: Final = 1e-6
_FEEDINGS: Final = 4
"""In each interval; the manual asks for two. A beat that is later than this part of the interval feeds nothing."""


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float:
    """The seconds without a sign of life after which systemd ends this process; 0.0 when nobody watches it.

    Raises Refused("config", ...) for what systemd never sets.
    """
    told = environ.get("WATCHDOG_USEC", "")
    if not told:
        return 0.0
    if not told.isascii() or not told.isdigit() or int(told) == 0:
        raise Refused("config", "WATCHDOG_USEC", f"must be microseconds, not {told!r}")
    for_whom = environ.get("WATCHDOG_PID", "")
    if for_whom and not (for_whom.isascii() and for_whom.isdigit()):
        raise Refused("config", "WATCHDOG_PID", f"must be a process, not {for_whom!r}")
    if for_whom and int(for_whom) != pid:
        return 0.0  # the variables of another process, inherited
    return int(told) * _MICRO


class Watchdog:
    """Tells systemd that the program lives, as often as `interval` (in seconds, 0 for never) demands.

    Attributes:
        period: the seconds between two beats that it needs.
    """

    def __init__(self, interval: float, pulse: Pulse, tell: Callable[[str], None]) -> None:
        self._every = interval / _FEEDINGS
        self.period = min(PERIOD, self._every or PERIOD)
        self._pulse = pulse
        self._tell = tell
        self._fed = float("-inf")

    def beaten(self, now: float) -> None:
        """Hear of a beat; `now` is its time on the pulse's clock, in seconds."""
        if not self._every or self._pulse.latest > self._every or now - self._fed < self._every:
            return
        self._fed = now
        self._tell("WATCHDOG=1")
