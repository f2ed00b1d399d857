"""One DNS lookup over UDP and TCP, against servers that may fail, lie or be silent. For `resolving` alone.

`dnsmessage` writes and reads the messages. The sockets are our own because dnspython's transports read messages of any
length: made for it, one of 64 KiB keeps the program busy for seconds. A connected socket also hears at once that
nobody listens.

Each try has a fresh socket, and so a fresh random port: with the random id that is what a forger has to guess
(RFC 5452 9). All questions of a lookup (A and AAAA) share that socket and are under way together.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

import anyio
import dns.rcode
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from stages.challenges.dnsmessage import (
    Answer,
    BadAnswer,
    ChainTooLong,
    Question,
    encode_name,
    is_truncated,
    other_answer,
    read_answer,
)
from stages.challenges.evidence import Absent, Fault
from stages.challenges.names import endpoint
from stages.challenges.streams import Connection, phrase

ROUNDS: Final = 2
"""How often each server is asked before the lookup is given up."""

MOST_LINKS: Final = 8
"""CNAMEs followed with queries of our own, where the server does not follow them itself."""

MOST_MESSAGE: Final = 4096
"""Octets of a message that is read."""

_LENGTH: Final = 2
"""Octets of the length before a message over TCP (RFC 1035 4.2.2)."""


class Lookup:
    """Which questions are open, what has been found, and what went wrong last.

    Args:
        name: a host name, already checked.
        kinds: the types to ask for.
        servers: address and port of the servers, in the order in which they are asked.
        timeout: seconds for the whole lookup; each try has its share of them.
        random_bytes: source of query ids.
    """

    def __init__(
        self,
        name: str,
        kinds: tuple[RdataType, ...],
        servers: tuple[tuple[str, int], ...],
        timeout: float,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._name = name
        self._kinds = kinds
        self._servers = servers
        self._timeout = timeout
        self._random_bytes = random_bytes
        self._edns = True
        self._trouble = ""
        self._nonexistent = False
        self._found: dict[RdataType, tuple[Rdata, ...]] = {}

    async def run(self) -> list[Rdata]:
        """Return the records of all the types, in their order; one type is enough.

        Raises:
            Absent: there are none.
            Fault: kind "dns".
        """
        with anyio.move_on_after(self._timeout):
            return await self._run()
        raise self._failed(f"no answer within {self._timeout:g} s")

    async def _run(self) -> list[Rdata]:
        try:
            questions = dict.fromkeys(self._kinds, encode_name(self._name))
        except ValueError as error:  # with "_acme-challenge." before it a name may be too long
            raise Fault("dns", f"DNS cannot hold the name {self._name}", lasting=True) from error
        for _ in range(MOST_LINKS):
            if questions:
                questions = self._take(await self._ask(questions))
        if questions:
            raise self._endless()
        everything = [record for kind in self._kinds for record in self._found.get(kind, ())]
        if not everything:
            raise self._nothing()
        return everything

    def _take(self, answered: dict[RdataType, Answer]) -> dict[RdataType, bytes]:
        """Keep what the answers say; return the questions to ask next, where CNAMEs are ours to follow."""
        self._nonexistent |= any(answer.rcode == Rcode.NXDOMAIN for answer in answered.values())
        onward = {kind: answer.onward for kind, answer in answered.items() if answer.onward}
        self._found |= {kind: answer.records for kind, answer in answered.items() if kind not in onward}
        return onward

    def _failed(self, why: str) -> Fault:
        asked = " and ".join(endpoint(*server) for server in self._servers)
        detail = f"DNS lookup of {self._name} at {asked} failed: {self._trouble or why}"
        return Fault("dns", detail, lasting=False)

    def _endless(self) -> Fault:
        return Fault("dns", f"DNS lookup of {self._name} failed: its chain of CNAMEs does not end", lasting=True)

    def _nothing(self) -> Fault:
        if len(self._found) < len(self._kinds):  # the other type may be there, nobody knows
            return self._failed("no answer")
        if self._nonexistent:
            return Absent("dns", f"DNS says that {self._name} does not exist (NXDOMAIN)", lasting=True)
        wanted = " or ".join(kind.name for kind in self._kinds)
        return Absent("dns", f"DNS has no {wanted} record for {self._name}", lasting=True)

    async def _ask(self, questions: dict[RdataType, bytes]) -> dict[RdataType, Answer]:
        """Ask the servers in turn until each question has an answer, or one has records after a full try."""
        answered: dict[RdataType, Answer] = {}
        for server in self._servers * ROUNDS:
            missing = {kind: name for kind, name in questions.items() if kind not in answered}
            with anyio.move_on_after(self._timeout / (ROUNDS * len(self._servers))) as scope:
                try:
                    await self._exchange(server, missing, answered)
                except OSError as error:
                    self._trouble = f"{endpoint(*server)}: {phrase(error)}"
            if scope.cancelled_caught and not self._trouble:
                self._trouble = f"no answer from {endpoint(*server)}"
            if len(answered) == len(questions) or any(answer.records for answer in answered.values()):
                return answered
        if not answered:
            raise self._failed("no answer")
        return answered

    async def _exchange(
        self, server: tuple[str, int], questions: dict[RdataType, bytes], answered: dict[RdataType, Answer]
    ) -> None:
        """Ask one server over UDP, all questions at once, and over TCP what comes back truncated."""
        waiting = [Question(int.from_bytes(self._random_bytes(2)), name, kind) for kind, name in questions.items()]
        with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.connect(server)  # from here on the kernel drops what others send
            for question in waiting:
                sock.send(question.encode(edns=self._edns))
            while waiting:
                try:
                    data = sock.recv(MOST_MESSAGE)
                except BlockingIOError:  # the answers mostly come together, so it is asked first
                    await anyio.wait_readable(sock)
                    continue
                try:
                    question = match(data, waiting)
                    waiting.remove(question)
                    if is_truncated(data):
                        data = await receive_tcp(server, question.encode(edns=self._edns))
                    self._judge(server, question, data, answered)
                except BadAnswer as error:
                    self._trouble = f"{endpoint(*server)} sent {error}"

    def _judge(
        self, server: tuple[str, int], question: Question, data: bytes, answered: dict[RdataType, Answer]
    ) -> None:
        """Keep the answer to a question, or the server's reason for none."""
        try:
            answer = read_answer(data, question)
        except ChainTooLong as error:
            raise self._endless() from error
        if answer.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN}:
            answered[question.kind] = answer
            return
        if answer.rcode == Rcode.FORMERR:
            self._edns = False  # an old server that does not know OPT (RFC 6891 7)
        self._trouble = f"{endpoint(*server)} answered {dns.rcode.to_text(Rcode(answer.rcode))}"


def match(data: bytes, waiting: list[Question]) -> Question:
    """Return the question that a datagram answers; it may be forged, or late.

    Raises:
        BadAnswer: it answers none.
    """
    for question in waiting:
        if question.is_answered_by(data):
            return question
    raise other_answer(data)


async def receive_tcp(server: tuple[str, int], message: bytes) -> bytes:
    """Ask over TCP (RFC 7766 5) and return the message that comes.

    Raises:
        OSError: of the connection.
        BadAnswer: the message is cut short, or longer than `MOST_MESSAGE`.
    """
    with await Connection.open(*server) as connection:
        await connection.send(len(message).to_bytes(_LENGTH) + message)
        received = b""
        while len(received) < _LENGTH or len(received) < _LENGTH + int.from_bytes(received[:_LENGTH]):
            data = await connection.receive()
            if not data:
                raise BadAnswer("an answer that is cut short")
            received += data
            if len(received) >= _LENGTH and int.from_bytes(received[:_LENGTH]) > MOST_MESSAGE:
                raise BadAnswer(f"an answer longer than {MOST_MESSAGE} bytes")
    return received[_LENGTH : _LENGTH + int.from_bytes(received[:_LENGTH])]
