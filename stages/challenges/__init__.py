"""Testing challenges for real: http-01 and dns-01 (RFC 8555 8.3, 8.4) and tls-alpn-01 (RFC 8737, RFC 8738).

The stages import `Validators` and `ValidationSettings`, the program `CaaCheck` and `CaaSettings` beside them (CAA,
RFC 8659); everything else is for this package alone. It knows
no Redis and no configuration file. What the network does never leaves it as an exception: it becomes a
`ValidationRecord`.
"""

from stages.challenges.caacheck import CaaCheck, CaaSettings
from stages.challenges.settings import ValidationSettings
from stages.challenges.validators import Validators

__all__ = ["CaaCheck", "CaaSettings", "ValidationSettings", "Validators"]
