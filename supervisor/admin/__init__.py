"""The admin listener: health, metrics and status over HTTP on a loopback address. The program starts it.

It answers from memory only: it asks the store nothing, so it answers during an outage too.
"""

from supervisor.admin.facts import Facts, gather
from supervisor.admin.listener import serve_admin

__all__ = ["Facts", "gather", "serve_admin"]
