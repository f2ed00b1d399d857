"""The numbers that the program keeps of itself."""

from __future__ import annotations

from supervisor.meter import AcmeMeter, Histogram, Waits, waits


def test_histogram_counts_a_bound_in_its_own_bucket() -> None:
    """Prometheus's `le` is "less or equal"; what is above all bounds is in the last bucket."""
    histogram = Histogram((0.0, 0.5, 1.0, 256.0))
    for value in (0, 0.5, 0.50001, 1.0, 300.0):
        histogram.observe(value)
    assert histogram.buckets() == [("0.0", 1), ("0.5", 2), ("1.0", 4), ("256.0", 4), ("+Inf", 5)]
    assert (histogram.count, histogram.total) == (5, 302.00001)


def kept() -> tuple[Waits, list[Histogram]]:
    histograms = [Histogram((1.0, 10.0)) for _ in range(4)]
    return Waits(histograms), histograms


def test_wait_is_from_the_push_to_the_claim() -> None:
    """A session that was pushed twice counts from the last push, and one that was never pushed is not measured."""
    measured, histograms = kept()
    measured.sent(["ready", "a", 1, "", ""], 100.0)
    measured.sent(["ready", "a", 1, "", ""], 102.0)
    measured.claimed("a", 1, 104.0)
    measured.claimed("a", 1, 105.0)
    measured.claimed("b", 1, 105.0)
    assert (histograms[1].counts, histograms[1].total) == ([0, 1, 0], 2.0)


def test_wait_of_a_retry_begins_when_it_is_due() -> None:
    """The delay between two tries is no wait; a claim that comes a little early has none."""
    measured, histograms = kept()
    for session, claimed in (("a", 133.0), ("b", 129.9)):
        measured.sent(["retry", session, "testchallenge", 130.0, 1, [], [], ""], 100.0)
        measured.claimed(session, 1, claimed)
    assert (histograms[1].counts, histograms[1].total) == ([1, 1, 0], 3.0)


def test_which_moves_push() -> None:
    """An order with challenges waits for its client; one without stands in the first queue; the dead stand nowhere."""
    measured, histograms = kept()
    order = ["order", "a", [], [], "", "", [], 0]
    for move in (
        [*order, [[1, []]], ""],
        ["order", "b", [], [], "", "", [], 0, False, ""],
        ["submit", "c", [], []],
        ["submit", "d", [], []],
        ["cancel", "d", "", 1, ""],
        ["advance", "e", "makechallenge", "testchallenge", [], [], False, ""],
        ["wait", "e", "testchallenge", "9", [], [], ""],
        ["advance", "f", "makechallenge", "testchallenge", [], [], False, ""],
        ["reject", "f", "testchallenge", "", [], [], 1, ""],
    ):
        measured.sent(move, 100.0)
    for session in "abcdef":
        measured.claimed(session, 0, 101.0)
    assert histograms[0].counts == [3, 0, 0]


def test_what_goes_ahead_has_not_waited() -> None:
    """A session that begins its next stage at once counts with a wait of nothing."""
    measured, histograms = kept()
    measured.went_ahead(2)
    assert (histograms[2].counts, histograms[2].total) == ([1, 0, 0], 0.0)


def test_pushes_are_remembered_for_so_many() -> None:
    """In a longer queue those that came first are measured; one that nobody claims loses its place after an hour."""
    measured, histograms = kept()
    for number in range(waits.MOST + 1):
        measured.pushed(str(number), 100.0)
    measured.claimed(str(waits.MOST), 0, 101.0)
    assert histograms[0].count == 0
    measured.pushed("late", 100.0 + waits.STALE)
    measured.claimed("late", 0, 101.0 + waits.STALE)
    measured.claimed("0", 0, 101.0 + waits.STALE)
    assert histograms[0].count == 1
    measured.forget()
    measured.claimed("1", 0, 101.0)
    assert histograms[0].count == 1


def test_requests_are_counted_by_kind() -> None:
    """What a client sends is no label: the kind is the program's word."""
    meter = AcmeMeter()
    meter.answered("new-order", 201, "", 0.003)
    meter.answered("new-order", 403, "rateLimited", 0.002)
    meter.answered("", 404, "malformed", 0.0)
    assert meter.requests == {("new-order", 201): 1, ("new-order", 403): 1, ("", 404): 1}
    assert meter.problems == {"rateLimited": 1, "malformed": 1}
    assert {kind: histogram.count for kind, histogram in meter.seconds.items()} == {"new-order": 2, "": 1}
