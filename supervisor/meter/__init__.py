"""What the program counts of itself: plain numbers, cheap to add to, for ever rising over all terms of the lease.

Whoever works at something counts it here; `supervisor.admin` reads it at each scrape. No labels, no locks, nothing of
Prometheus: an observation is an addition to a number or to one element of a list.
"""

from supervisor.meter.histogram import Histogram
from supervisor.meter.meter import PUBLISHED, AcmeMeter, Meter, QueueMeter, RecoveryMeter, ServerMeter, StoreMeter
from supervisor.meter.waits import Waits

__all__ = [
    "PUBLISHED",
    "AcmeMeter",
    "Histogram",
    "Meter",
    "QueueMeter",
    "RecoveryMeter",
    "ServerMeter",
    "StoreMeter",
    "Waits",
]
