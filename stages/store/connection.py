"""Connections to Redis or Valkey: opening, checking, and translating redis-py's errors. Only `stages.store` imports it.

Deadlines stand around the calls: `socket_timeout` is off, since a commit may have to wait for a disk and a
subscription waits for ever (docs/decisions/0003-connections.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLCertVerificationError
from typing import Any, TypeVar

import hiredis
import msgspec
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from stages.errors import LeaseLost, Refused, StoreUnavailable

_Error = TypeVar("_Error", bound=BaseException)

MINIMUM = (7, 0)
"""Redis 7.0 brought what the scripts use; every Valkey has it."""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the store is and how to reach it.

    Attributes:
        url: redis://, rediss:// or unix://.
        prefix: put before every key.
        username, password: for ACL users; the password never comes into an error.
        tls_ca_file: PEM of the authority that signed the server's certificate, for rediss://.
        connect_timeout: seconds for opening a connection.
        call_timeout: seconds for one call, the disk's wait included.
        wait_aof_timeout: milliseconds for WAITAOF; 0 where replies wait for the disk anyway (`appendfsync always`).
    """

    url: str
    prefix: str = ""
    username: str = ""
    password: str = ""
    tls_ca_file: str = ""
    connect_timeout: float = 5.0
    call_timeout: float = 30.0
    wait_aof_timeout: int = 0


def connect(settings: StoreSettings, protocol: int | None = None) -> Redis:
    """A client that opens its connections when it needs them; raises Refused("config", "store.url", ...).

    With `protocol` 3 (RESP3) the server can tell things that nobody has asked for.
    """
    options: dict[str, Any] = {
        "decode_responses": False,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
    }
    if protocol is not None:
        options["protocol"] = protocol
    options["socket_connect_timeout"] = settings.connect_timeout
    if settings.username:
        options["username"] = settings.username
    if settings.password:
        options["password"] = settings.password
    if settings.url.startswith("rediss://") and settings.tls_ca_file:
        if not Path(settings.tls_ca_file).is_file():
            raise Refused("config", "store.tls_ca_file", f"there is no file {settings.tls_ca_file}")
        options["ssl_ca_certs"] = settings.tls_ca_file
    if not settings.url.startswith("unix://"):
        options["socket_keepalive"] = True
    try:
        redis = Redis.from_url(settings.url, **options)
    except ValueError as error:
        raise Refused("config", "store.url", f"cannot be used: {error}") from None
    pool = redis.connection_pool
    pool.connection_class = _packing(pool.connection_class)
    return redis


def _packing(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Connections of this kind that write commands with hiredis, as redis-py's blocking ones do."""

    class Packing(kind):  # type: ignore[misc, valid-type]  # whichever the URL asks for
        def pack_command(self, *args: Any) -> list[bytes]:
            if type(args[0]) is not str or " " in args[0]:  # redis-py's own commands of several words
                packed: list[bytes] = super().pack_command(*args)
                return packed
            return [hiredis.pack_command(args)]

    return Packing


@contextmanager
def translated() -> Iterator[None]:
    """Turns redis-py's errors into the domain's; what is left is a fault of ours and passes through."""
    try:
        yield
    except exceptions.NoScriptError:
        raise
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        if refusal := _behind(error, exceptions.AuthenticationError):
            why = f"the store refuses this user with the password of store.password_file: {refusal}"
            raise Refused("config", "store.username", why) from None
        if (distrust := _behind(error, SSLCertVerificationError)) and distrust.verify_code not in _PASSING:
            why = f"the server's certificate is not trusted: {distrust.verify_message}"
            raise Refused("config", "store.tls_ca_file", why) from None
        raise StoreUnavailable(f"store: {type(error).__name__}: {error}") from error
    except exceptions.ResponseError as error:
        if (meant := _meaning(error)) is None:
            raise
        raise meant from error
    except exceptions.RedisError as error:
        raise StoreUnavailable(f"store: {type(error).__name__}: {error}") from error


def _meaning(error: exceptions.ResponseError) -> Exception | None:
    """What the server's refusal of a command means to the domain; None for a fault of ours."""
    text = str(error)
    if text.startswith("LEASE"):
        return LeaseLost("the lease is not ours any more")
    if isinstance(error, exceptions.NoPermissionError) or text.startswith(_FORBIDDEN):
        return Refused("config", "store.username", f"the user lacks a permission (docs/operation.md): {text}")
    if isinstance(error, exceptions.ClusterCrossSlotError) or any(words in text for words in _SCATTERED):
        return Refused("config", "store.prefix", f"a cluster needs one with a hash tag, such as {{ca}}: ({text})")
    if isinstance(error, exceptions.AskError):  # MOVED too
        why = "this node of the cluster does not have the keys; store.url must lead to the one that has"
        return StoreUnavailable(f"store: {why} ({text})")
    if isinstance(error, _UNABLE) or text.startswith(_UNABLE_TEXTS):
        return StoreUnavailable(f"store: {text}")
    return None


_UNABLE = (exceptions.OutOfMemoryError, exceptions.ReadOnlyError, exceptions.ClusterDownError)
"""redis-py takes the code out of their texts; MASTERDOWN is a ClusterDownError, LOADING a ConnectionError."""
_UNABLE_TEXTS = ("MISCONF ", "BUSY ", "NOREPLICAS ", "OOM ", "READONLY ", "WAITAOF cannot be used")
_FORBIDDEN = ("ACL failure in script", "The user executing the script can't")
"""What a script says of a forbidden command or key: Valkey and Redis 7.2, Redis 7.0."""
_SCATTERED = ("do not hash to the same slot", "a non local key in a cluster node")
"""What a script says of keys in several slots."""
_PASSING = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: the server's to mend, no setting of ours is wrong."""


def _behind(error: BaseException | None, kind: type[_Error]) -> _Error | None:
    """The error of this kind behind a connection's error, or itself: on a unix socket redis-py wraps what AUTH says."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
