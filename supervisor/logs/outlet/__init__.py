"""Where log lines go: the queue (`output`) and the destinations (`stream`, `file`, `journald`)."""
