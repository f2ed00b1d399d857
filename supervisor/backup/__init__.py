"""Backup and restore of a whole CA, as one file (docs/backup.md). For the command line."""
