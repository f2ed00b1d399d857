"""What the running program answers to each question. Made by the program for its `listener`."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.config import effective
from supervisor.control.messages import Answer, Question
from supervisor.reload import Outcome, Reloader
from supervisor.term.health import Health


class Answerer:
    """Answers for the program that `reloader` and `health` belong to."""

    def __init__(self, reloader: Reloader, health: Health) -> None:
        self._reloader = reloader
        self._health = health

    def __call__(self, question: Question) -> Answer:
        """The answer; nothing it does waits for anything but the config file's disk."""
        pid, config = os.getpid(), str(self._reloader.path.absolute())
        if self._health.stopping:
            return Answer(pid, config, "the supervisor is stopping")
        match question.ask:
            case "reload":
                return _of(pid, config, self._reloader.reload())
            case "preview":
                return _of(pid, config, self._reloader.preview(Path(question.path), question.text))
            case "settings":
                return Answer(pid, config, settings=effective(self._reloader.settings))
            case "measures":
                term = self._health.term
                if term is None:
                    return Answer(pid, config)
                return Answer(pid, config, measures=term.measures.read(term.runners))


def _of(pid: int, config: str, outcome: Outcome) -> Answer:
    return Answer(
        pid,
        config,
        changes=tuple(outcome.changes),
        problems=tuple(outcome.problems),
        warnings=tuple(outcome.warnings),
    )
