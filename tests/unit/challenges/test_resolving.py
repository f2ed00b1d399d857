import pytest

from stages.challenges.resolving import read_server
from stages.errors import Refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:53", ("::1", 53)),
    ],
)
def test_read_server(text: str, expected: tuple[str, int]) -> None:
    """A server is an address, with or without a port."""
    assert read_server(text) == expected


@pytest.mark.parametrize("text", ["", "dns.example:53", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:70000", "[10.0.0.1]:53"])
def test_read_server_refused(text: str) -> None:
    """A server that cannot be read is refused, and the setting is named."""
    with pytest.raises(Refused) as caught:
        read_server(text)
    assert caught.value.field == "validation.resolver"
