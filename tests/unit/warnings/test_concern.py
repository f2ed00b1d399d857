"""The list of warnings: raised once, cleared once, whatever happens between."""

from __future__ import annotations

from supervisor.warnings.concern import Changes, Concern, Severity, Warnings


def concern(name: str, subject: str = "", since: int = 10, severity: Severity = Severity.WARNING) -> Concern:
    return Concern(name, severity, subject, "text", since)


def test_warning_is_raised_once_and_cleared_once() -> None:
    """Looks that see the same change nothing; `since` stays that of the first."""
    book = Warnings()
    assert Changes((concern("disk"),), ()) == book.update({"disk": [concern("disk")]})
    assert Changes((), ()) == book.update({"disk": [concern("disk", since=20)]})
    assert list(book.current) == [concern("disk")]
    assert Changes((), (concern("disk"),)) == book.update({"disk": []})
    assert Changes((), ()) == book.update({"disk": []})
    assert not book.current


def test_what_is_not_known_stays() -> None:
    """A rule that cannot say anything neither raises nor clears."""
    book = Warnings()
    book.update({"disk": [concern("disk")], "crl": []})
    assert Changes((), ()) == book.update({"disk": None, "crl": None})
    assert book.current == (concern("disk"),)


def test_error_is_raised_again() -> None:
    """What has become worse is news; what has become better is not."""
    book, worse = Warnings(), concern("disk", severity=Severity.ERROR)
    book.update({"disk": [concern("disk")]})
    assert Changes((worse,), ()) == book.update({"disk": [worse]})
    assert Changes((), ()) == book.update({"disk": [concern("disk")]})


def test_subjects_are_apart() -> None:
    """Two certificates are two warnings."""
    book = Warnings()
    book.update({"end": [concern("end", "a"), concern("end", "b")]})
    assert Changes((), (concern("end", "a"),)) == book.update({"end": [concern("end", "b")]})


def test_restart_keeps_since_and_says_what_is_over() -> None:
    """What held before a restart is shown anew with its age, and what ended meanwhile is cleared."""
    book = Warnings([concern("disk"), concern("crl")])
    assert book.current == ()
    assert book.known == (concern("disk"), concern("crl"))
    changes = book.update({"disk": [concern("disk", since=99)], "crl": []})
    assert Changes((concern("disk"),), (concern("crl"),)) == changes
