import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.challenges import wire

NAME = wire.encode_name("A.Example.")


def reply(*records: tuple[str, str, str], name: str = "a.example.", kind: str = "A") -> bytes:
    """An answer as dnspython writes it, with compressed names."""
    message = dns.message.make_response(dns.message.make_query(name, kind, id=7))
    for owner, rdtype, data in records:
        message.answer.append(dns.rrset.from_text(owner, 60, "IN", rdtype, data))
    return message.to_wire()


@pytest.mark.parametrize("edns", [True, False])
def test_query_is_what_dnspython_reads(*, edns: bool) -> None:
    """Another implementation reads the query as it was meant."""
    query = dns.message.from_wire(wire.encode_query(7, NAME, wire.TXT, edns=edns))
    assert (query.id, query.flags, query.edns) == (7, dns.flags.RD, 0 if edns else -1)
    assert [q.to_text() for q in query.question] == ["a.example. IN TXT"]


def test_reply_addresses_along_cnames() -> None:
    """The chain of CNAMEs is followed, whatever the case of its names."""
    read = wire.decode_reply(
        reply(
            ("A.EXAMPLE.", "CNAME", "b.example."),
            ("b.example.", "CNAME", "C.example."),
            ("c.example.", "A", "1.2.3.4"),
        )
    )
    assert (wire.encode_name("c.example"), [b"\x01\x02\x03\x04"]) == read.follow()
    assert (read.id, read.name, read.type, read.rcode) == (7, NAME, wire.A, wire.NOERROR)


def test_reply_texts_joined() -> None:
    """The strings of one TXT record are joined."""
    assert wire.decode_reply(reply(("a.example.", "TXT", '"ab" "c"'), kind="TXT")).follow()[1] == [b"abc"]


def test_reply_records_of_others_do_not_count() -> None:
    """An address of a name that nobody asked for is passed over."""
    assert wire.decode_reply(reply(("b.example.", "A", "1.2.3.4"))).follow() == (NAME, [])


def test_follow_circle() -> None:
    """CNAMEs in a circle end with an error."""
    read = wire.decode_reply(
        reply(("a.example.", "CNAME", "b.example."), ("b.example.", "CNAME", "a.example."))
    )
    with pytest.raises(wire.Unreadable, match="does not end"):
        read.follow()


@given(st.binary(max_size=80), st.integers(0, 80))
def test_decode_reply_hostile(noise: bytes, at: int) -> None:
    """Any bytes are read or refused, nothing else."""
    message = reply(("a.example.", "CNAME", "b.example."), ("b.example.", "A", "1.2.3.4"))
    for data in (noise, message[:at], message[:at] + noise, message[:12] + noise):
        try:
            assert len(wire.decode_reply(data).name) <= 255
        except wire.Unreadable:
            continue


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, ".".join(["abc"] * 70)])
def test_encode_name_refused(name: str) -> None:
    """A name that has no wire form is refused."""
    with pytest.raises(wire.Unreadable):
        wire.encode_name(name)
