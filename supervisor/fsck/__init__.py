"""Does the store keep the laws? Looks while the program runs, and changes nothing. For the command line and the soak.

`sessions`, `certificates` and `crl` judge what was seen and do no I/O; `reading` sees it; `check` puts them together
and looks again at every suspicion before it calls it a breach.
"""

from supervisor.fsck.breach import Breach, Mend
from supervisor.fsck.check import Report, check

__all__ = ["Breach", "Mend", "Report", "check"]
