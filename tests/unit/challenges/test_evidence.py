from stages.challenges.evidence import printable


def test_printable_keeps_hostile_text_out() -> None:
    """Control characters and other scripts become question marks, and length is bounded."""
    assert printable("a\x1b[31m\n\u202eb") == "a?[31m??b"
    assert len(printable("x" * 1000)) == 400
