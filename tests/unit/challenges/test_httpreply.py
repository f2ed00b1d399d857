import pytest

from stages.challenges.httpreply import BadReply, ReplyReader


def read(data: bytes, step: int) -> ReplyReader:
    """Feed in pieces, then the end of the stream."""
    reply = ReplyReader(64)
    for at in range(0, len(data), step):
        if not reply.done:
            reply.feed(data[at : at + step])
    if not reply.done:
        reply.end()
    return reply


@pytest.mark.parametrize("step", [1, 7, 100000])
@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 404 No\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabc", 404, b""),
        (b"HTTP/1.1 204 No\r\n\r\n", 204, b""),
    ],
)
def test_reply(data: bytes, status: int, body: bytes, step: int) -> None:
    """A response reads the same however it is cut into pieces."""
    reply = read(data, step)
    assert (reply.status, bytes(reply.body)) == (status, body)


@pytest.mark.parametrize("step", [1, 100000])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "what came is not an HTTP response"),
        (b"HTTP/1.1 2\x1b0 OK\r\n\r\n", "what came is not an HTTP response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "what came is not an HTTP response"),
        (b"HTTP/1.1 200 OK\r\nA\x00b: c\r\n\r\n", "what came is not an HTTP response"),
        (b"", "the connection was closed before a response"),
        (b"HTTP/1.1 200 OK\r\n", "it is cut short"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
            "the connection was closed in the middle of its body",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 65, "its body is longer than 64 bytes"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 17000, "its header section is longer than 16384 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 17000,
            "its transfer coding takes more room than its body",
        ),
    ],
)
def test_reply_bad(data: bytes, reason: str, step: int) -> None:
    """What is broken or too long is refused with a reason that holds none of its bytes."""
    with pytest.raises(BadReply) as caught:
        read(data, step)
    assert str(caught.value) == reason
