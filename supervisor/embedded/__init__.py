"""The Valkey server that comes with the program: one child, one data directory. For `supervisor` only.

The server listens on a unix socket below the data directory and nowhere else, puts every write on disk
before it answers (`appendfsync always`), and never outlives the program. Linux only.
"""

from supervisor.embedded.opening import embedded_store, store_for_command
from supervisor.embedded.owner import EmbeddedError, refuse_unfinished, socket_path, store_bytes
from supervisor.embedded.report import AofReport
from supervisor.embedded.server import Embedded

__all__ = [
    "AofReport",
    "Embedded",
    "EmbeddedError",
    "embedded_store",
    "refuse_unfinished",
    "socket_path",
    "store_bytes",
    "store_for_command",
]
