"""The admin listener: health, metrics, status and whatever else is mounted on it. The program starts it.

Its own pages are answered from memory: they ask the store nothing, so they are there during an outage too. Further
pages are given to `serve_admin` as routes; they have `HANDLER_LIMIT` seconds each.
"""

from supervisor.admin.door import HANDLER_LIMIT, Routes
from supervisor.admin.facts import Facts, gather
from supervisor.admin.listener import AdminToken, serve_admin
from supervisor.admin.metrics.collector import Sources
from supervisor.admin.metrics.page import metrics_routes
from supervisor.admin.pages import own_routes

__all__ = [
    "HANDLER_LIMIT",
    "AdminToken",
    "Facts",
    "Routes",
    "Sources",
    "gather",
    "metrics_routes",
    "own_routes",
    "serve_admin",
]
