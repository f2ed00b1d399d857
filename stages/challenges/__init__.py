"""Testing challenges for real (RFC 8555 8, RFC 8737, RFC 8738), and asking whether CAA records permit a certificate.

The stages import `Validators` and `ValidationSettings`, the program `CaaCheck` and `CaaSettings` beside them;
everything else is for this package alone. It knows no Redis and no configuration file. What the network does never
leaves it as an exception: it becomes a `ValidationRecord`, or the outcome of a stage.
"""

from stages.challenges.caacheck import CaaCheck, CaaSettings
from stages.challenges.settings import ValidationSettings
from stages.challenges.validators import Validators

__all__ = ["CaaCheck", "CaaSettings", "ValidationSettings", "Validators"]
