import pytest

from stages.challenges.targets import AddressPolicy
from stages.errors import Refused

EVERYTHING = ("public", "private", "loopback")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", "it is unspecified"),  # noqa: S104  judged, not bound
        ("0.1.2.3", "it is unspecified"),
        ("::", "it is unspecified"),
        ("224.0.0.1", "it is multicast"),
        ("ff02::1", "it is multicast"),
        ("255.255.255.255", "it is reserved or broadcast"),
        ("240.0.0.1", "it is reserved or broadcast"),
        ("169.254.169.254", "it is link-local"),
        ("fe80::1", "it is link-local"),
        ("fe80::1%eth0", "it names a network interface"),
        ("fd00:ec2::254", "it is a cloud's metadata service"),
        ("100.100.100.200", "it is a cloud's metadata service"),
        ("::ffff:169.254.169.254", "it is link-local"),
        ("::169.254.169.254", "it carries 169.254.169.254: it is link-local"),
        ("64:ff9b::169.254.169.254", "it carries 169.254.169.254: it is link-local"),
        ("2002:a9fe:a9fe::1", "it carries 169.254.169.254: it is link-local"),
        ("2001:0:a9fe:a9fe::1", "it carries 169.254.169.254: it is link-local"),
        ("2001:0:102:304::5601:5601", "it carries 169.254.169.254: it is link-local"),
        ("192.0.2.1", "it is set aside by IANA, and validation.allow does not name its network"),
        ("2001:db8::1", "it is set aside by IANA, and validation.allow does not name its network"),
        ("2001:2::1", "it is set aside by IANA, and validation.allow does not name its network"),
        ("2001:20::1", "it is set aside by IANA, and validation.allow does not name its network"),
        ("example", "it is no IP address"),
    ],
)
def test_judge_refuses_whatever_is_allowed(address: str, reason: str) -> None:
    """Some addresses are refused although every keyword is in the allow list."""
    assert reason == AddressPolicy(EVERYTHING).judge(address, 80)


@pytest.mark.parametrize(
    ("address", "keyword"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.0.0.5", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("::ffff:10.0.0.5", "private"),
        ("8.8.8.8", "public"),
        ("2606:4700::1", "public"),
    ],
)
def test_judge_keyword(address: str, keyword: str) -> None:
    """A keyword allows its addresses, and without it they are refused."""
    others = tuple(word for word in EVERYTHING if word != keyword)
    assert AddressPolicy((keyword,)).judge(address, 80) is None
    assert f"it is {keyword}, and validation.allow does not name it" == AddressPolicy(others).judge(address, 80)
    assert AddressPolicy(EVERYTHING, (keyword,)).judge(address, 80) == "validation.deny names it"


def test_judge_embedded_address_needs_its_own_permission() -> None:
    """NAT64 of a loopback address is refused although the outer address is public."""
    reason = AddressPolicy(("public",)).judge("64:ff9b::7f00:1", 80)
    assert reason == "it carries 127.0.0.1: it is loopback, and validation.allow does not name it"


def test_judge_network_in_lists() -> None:
    """A network that is allowed is reached, and one inside it that is denied is not."""
    policy = AddressPolicy(["10.0.0.0/8", "192.0.2.0/24"], ["10.1.0.0/16"])
    assert [policy.judge(address, 80) for address in ("10.2.0.1", "192.0.2.9", "10.1.0.1")] == [
        None,
        None,
        "validation.deny names it",
    ]
    assert policy.judge("8.8.8.8", 80) == "it is public, and validation.allow does not name it"


@pytest.mark.parametrize(
    ("own", "address", "port", "refused"),
    [
        (("127.0.0.1", 6379), "127.0.0.1", 6379, True),
        (("127.0.0.1", 6379), "::ffff:127.0.0.1", 6379, True),
        (("127.0.0.1", 6379), "127.0.0.1", 80, False),
        (("0.0.0.0", 443), "127.0.0.1", 443, True),  # noqa: S104  judged, not bound
        (("0.0.0.0", 443), "::1", 443, True),  # noqa: S104  judged, not bound
        (("::", 443), "10.0.0.5", 443, True),
        (("::", 443), "10.0.0.6", 443, False),
        (("::", 443), "10.0.0.5", 80, False),
        (("10.0.0.5", 0), "10.0.0.5", 12345, True),
        (("::ffff:10.0.0.5", 443), "10.0.0.5", 443, True),
    ],
)
def test_judge_own_listener(own: tuple[str, int], address: str, port: int, *, refused: bool) -> None:
    """The CA's listeners are refused, and a wildcard one at each address of this host (here 10.0.0.5)."""
    policy = AddressPolicy(EVERYTHING, own=[own], is_local=lambda candidate: candidate == "10.0.0.5")
    assert policy.judge(address, port) == ("it is a listener of this CA" if refused else None)


@pytest.mark.parametrize(
    ("allow", "deny", "own", "field"),
    [
        (["10.0.0.0/8", "privat"], [], [], "validation.allow[1]"),
        ([], ["10.0.0.1/8"], [], "validation.deny[0]"),
        ([], [], [("localhost", 1)], "validation.own"),
    ],
)
def test_policy_unreadable(allow: list[str], deny: list[str], own: list[tuple[str, int]], field: str) -> None:
    """A setting that cannot be read is named."""
    with pytest.raises(Refused) as caught:
        AddressPolicy(allow, deny, own)
    assert caught.value.field == field
