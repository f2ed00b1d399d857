from stages.challenges.dialing import in_turn


def test_in_turn_gives_both_families_a_try() -> None:
    """Three addresses at most, IPv6 first, families by turns."""
    assert in_turn(["::1", "::2", "::3", "1.1.1.1"]) == ["::1", "1.1.1.1", "::2"]
    assert in_turn(["1.1.1.1", "1.1.1.2"]) == ["1.1.1.1", "1.1.1.2"]
