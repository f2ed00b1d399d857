"""Turns what Redis holds into sessions and challenges, and back. Pure; the store and the command line use it.

Values are the note's: "True"/"False", integers as strings. A record that breaks this is `Garbled`: it is set aside
with the field's name, and the rest goes on (law 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from stages.outcome import Writes
from stages.session import SCHEMA, Challenge, ChallengeData, ChallengeType, Delivery, Problem, Session, State


class Garbled(Exception):  # noqa: N818  it is found, not raised by a fault of ours
    """A record in Redis that cannot be read: which session (or `what` else), field and why. Never carries the value."""

    def __init__(self, session: str, field: str, why: str, what: str = "session") -> None:
        super().__init__(f"{what} {session[:64]!a}: field {field}: {why}")
        self.session = session
        self.field = field
        self.why = why


decode_data = msgspec.json.Decoder(ChallengeData).decode
_decode_problem = msgspec.json.Decoder(Problem).decode
_encode = msgspec.json.encode
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*").fullmatch
_STATES = {state.value: state for state in State}
BOOLS = {"True": True, "False": False}


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """A flat array of a hash as a dict."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _integer(session: str, field: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Garbled(session, field, "not an integer") from None


_READ: dict[str, Callable[[str], object]] = {
    "delivery": Delivery,
    "attempts": int,
    "waiting": int,
    "expires": int,
    "delivered": int,
    "error": _decode_problem,
    "scheduled": "True".__eq__,
}


def advanced(session: Session, writes: Writes, state: State) -> Session:
    """The session as it is on record after it advanced to `state` with these writes and without a client's move."""
    changes: dict[str, Any] = {field: _READ.get(field, str)(text) for field, text in writes.fields.items()}
    if writes.challenges:
        by_n = {challenge.n: challenge for challenge in (*session.challenges, *writes.challenges)}
        changes["challenges"] = tuple(by_n[n] for n in sorted(by_n))
    return replace(session, state=state, attempts=0, **changes)


def read_challenge(session: str, n: int, hash_: dict[str, str]) -> Challenge:
    """The challenge in a hash `<sessionid>:<n>`; raises Garbled."""
    place = f"{n}"
    try:
        data = decode_data(hash_["data"])
        if not _BASE64URL(data.token):
            raise Garbled(session, place, "challenge whose token is not base64url text (RFC 8555 8.1)")
        return Challenge(
            n=n,
            challtime=int(hash_["challtime"]),
            type=ChallengeType(int(hash_["type"])),
            name=hash_["name"],
            satisfied=BOOLS[hash_["satisfied"]],
            failed=BOOLS[hash_["failed"]],
            data=data,
        )
    except KeyError as error:
        raise Garbled(session, place, f"challenge without a good {error.args[0]!a:.40}") from None
    except (ValueError, msgspec.DecodeError) as error:
        raise Garbled(session, place, f"challenge cannot be read ({type(error).__name__})") from None


def challenge_fields(challenge: Challenge) -> list[str]:
    """The flat hash of a challenge."""
    return [
        "challtime", str(challenge.challtime),
        "type", str(int(challenge.type)),
        "name", challenge.name,
        "satisfied", str(challenge.satisfied),
        "failed", str(challenge.failed),
        "data", encode_data(challenge.data),
    ]  # fmt: skip


def encode_data(data: ChallengeData) -> str:
    """The text of a challenge's `data`."""
    return _encode(data).decode()


def encode_problem(problem: Problem) -> str:
    """The text of a session's `error`."""
    return _encode(problem).decode()


def read_session(
    session: str, hash_: dict[str, str], names: Sequence[str] = (), challenges: Sequence[dict[str, str]] = ()
) -> Session:
    """The session in a hash `<sessionid>`, its names and its challenges; raises Garbled."""
    get = hash_.get
    state = _STATES.get(get("state", ""))
    if state is None:
        raise Garbled(session, "state", "not one of the four states")
    live = BOOLS.get(get("live", ""))
    if live is None:
        raise Garbled(session, "live", 'neither "True" nor "False"')
    if "created" not in hash_:
        raise Garbled(session, "created", "missing")
    if not _BASE64URL(get("thumbprint", "")):
        raise Garbled(session, "thumbprint", "not base64url text (RFC 7638)")
    field = "schema"
    try:
        if (schema := int(get("schema", "1"))) > SCHEMA:
            raise Garbled(session, "schema", f"version {schema} is newer than this program's {SCHEMA}")
        problem = None
        if error := get("error"):
            field = "error"
            problem = _decode_problem(error)
        delivery = None
        if step := get("delivery"):
            field = "delivery"
            delivery = Delivery(step)
        field = "created, attempts, waiting, expires or delivered"
        return Session(
            id=session,
            created=int(hash_["created"]),
            live=live,
            state=state,
            names=tuple(names),
            challenges=tuple([read_challenge(session, n, item) for n, item in enumerate(challenges, 1)]),
            csr=get("csr", ""),
            cert=get("cert", ""),
            serial=get("serial", ""),
            intent=get("intent", ""),
            error=problem,
            account=get("account", ""),
            profile=get("profile", ""),
            attempts=int(get("attempts", "0")),
            delivery=delivery,
            waiting=int(get("waiting", "0")),
            scheduled=get("scheduled") == "True",
            thumbprint=get("thumbprint", ""),
            expires=int(get("expires", "0")),
            delivered=int(get("delivered", "0")),
            story=get("story", ""),
            asked=tuple(get("asked", "").split(",")) if get("asked") else (),
            replaces=get("replaces", ""),
        )
    except (ValueError, msgspec.DecodeError):
        raise Garbled(session, field, "cannot be read") from None
