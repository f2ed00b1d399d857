"""Warnings before it hurts: what will go wrong if nobody does anything, raised once and cleared once.

Facts are gathered (`gathering`), rules judge them (`rules`), `Warnings` keeps what holds now, and whoever is named in
[warnings] is told (`telling`). The program runs it, the admin pages and the command line read it.
"""

from supervisor.warnings.concern import Concern, Severity, Warnings

__all__ = ["Concern", "Severity", "Warnings"]
