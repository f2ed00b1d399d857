"""Checks a host before it is trusted with a CA. For the command line only.

Each check is one small function that returns findings: `host`, `files`, `authority`, `network`, `door` and `store` hold
them, and `examine` runs them in their order. A check never raises: what goes wrong in it is a finding.
"""

from supervisor.doctor.examine import examine
from supervisor.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
