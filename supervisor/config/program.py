"""How the program runs: the sections store, queues, recovery, sessions, delivery, stop, logs, admin."""

from __future__ import annotations

from typing import Literal

from supervisor.config.addresses import Listen
from supervisor.config.section import Section, setting
from supervisor.config.values import (
    DAY,
    HOUR,
    MINUTE,
    Bool,
    Duration,
    Int,
    LogsTo,
    OptionalPath,
    Prefix,
    Size,
    Span,
    StoreUrl,
    Str,
    parse_size,
)


class Store(Section):
    """[store]: where sessions are kept."""

    url: StoreUrl = setting(
        "embedded",
        '"embedded" for the store that comes with the program, or a redis://, rediss:// or unix:// URL.',
        restart=True,
    )
    prefix: Prefix = setting(
        "", "Put before every key; one with a hash tag, such as {ca}:, suits a cluster.", restart=True
    )
    username: Str = setting("", "The user to log in as; empty for the default user.", restart=True)
    password_file: OptionalPath = setting(
        None, "A file whose first line is the password; empty for none.", restart=True
    )
    tls_ca_file: OptionalPath = setting(
        None,
        "The CA certificates that a rediss:// server is checked against; empty for the system's.",
        restart=True,
    )
    connect_timeout: Duration = setting(
        5.0, "How long one attempt to connect to the store may take.", restart=True, low=0.1, high=60
    )
    lease: Duration = setting(
        10.0,
        "How long this supervisor's lease lives without being renewed; another may start only after that.",
        restart=True,
        low=3,
        high=300,
    )
    one_of_several: Bool = setting(
        default=False,
        sentence="Allow other supervisors on the same store; otherwise a second one refuses to start.",
        restart=True,
    )
    wait_aof_timeout: Duration = setting(
        5.0,
        "How long a write to a store that is not embedded may take to reach its disk (WAITAOF).",
        restart=True,
        low=0.1,
        high=60,
    )


class Queue(Section):
    """What the four queues have in common."""

    concurrency: Int = setting(32, "How many sessions the queue works on at once.", unit="sessions", low=1, high=4096)
    timeout: Duration = setting(
        30.0, "How long one try of the stage may take before it is stopped.", low=0.1, high=HOUR
    )
    max_attempts: Int = setting(
        5, "How many failed tries of the stage reject the session.", unit="tries", low=1, high=1000
    )
    backoff: Duration = setting(
        1.0, "The delay after the first failed try; it doubles with each further one.", low=0.01, high=DAY
    )
    backoff_max: Duration = setting(5.0 * MINUTE, "The longest delay between two tries.", low=0.01, high=DAY)


class MakeChallengeQueue(Queue):
    """[queues.makechallenge]."""

    timeout: Duration = setting(
        10.0, "How long one try of the stage may take before it is stopped.", low=0.1, high=HOUR
    )


class TestChallengeQueue(Queue):
    """[queues.testchallenge]."""

    __test__ = False

    concurrency: Int = setting(64, "How many sessions the queue works on at once.", unit="sessions", low=1, high=4096)


class DoneQueue(Queue):
    """[queues.done]."""

    timeout: Duration = setting(
        10.0, "How long one try of the stage may take before it is stopped.", low=0.1, high=HOUR
    )


class Queues(Section):
    """[queues]: one table for each stage."""

    makechallenge: MakeChallengeQueue = MakeChallengeQueue()
    testchallenge: TestChallengeQueue = TestChallengeQueue()
    issue: Queue = Queue()
    done: DoneQueue = DoneQueue()


class Recovery(Section):
    """[recovery]: the scan that puts every session where it belongs."""

    interval: Duration = setting(10.0 * MINUTE, "The time between two scans.", low=1, high=30 * DAY)
    batch: Int = setting(1000, "How many sessions are read at once.", unit="sessions", low=1, high=10_000)


class Sessions(Section):
    """[sessions]: how long a session may take."""

    makechallenge_max_age: Span = setting(
        HOUR, "The age at which a session that still has no challenges is rejected.", low=MINUTE
    )
    testchallenge_max_age: Span = setting(
        7 * DAY,
        "The age at which a session that is not proven is rejected: the expiry of an order.",
        low=MINUTE,
    )
    issue_max_age: Span = setting(
        7 * DAY, "The age at which a session that has no certificate is rejected.", low=MINUTE
    )
    keep: Span = setting(30 * DAY, "How long a finished session can still be looked at.", low=0)


class Done(Section):
    """[done]: how long a certificate waits for its client."""

    grace: Span = setting(DAY, "How long a session whose certificate was sent waits for the client's thanks.", low=0)
    keep: Span = setting(
        30 * DAY, "How long a session whose certificate was never fetched waits for its client.", low=0
    )
    certificates_keep: Span = setting(90 * DAY, "How long a certificate stays on record after it has expired.", low=0)


class Shutdown(Section):
    """[shutdown]: how the program stops."""

    grace: Duration = setting(
        20.0,
        "How long work in flight may take to end before it is given back to its queue.",
        low=0,
        high=HOUR,
    )


class Logs(Section):
    """[logs]: which lines are written, how and where to (docs/logs.md)."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "The least severe events that are written.")
    format: Literal["auto", "json", "ecs", "logfmt", "console"] = setting(
        "auto",
        'What a line looks like: "json", "ecs" (Elastic Common Schema), "logfmt" or "console" (coloured text);'
        ' "auto" is "console" on a terminal and "json" elsewhere.',
    )
    to: LogsTo = setting(
        "auto",
        'Where lines go: "stdout", "journald" or the path of a file; "auto" is "journald" where standard output is the'
        ' journal\'s, as under systemd, and "stdout" elsewhere.',
        restart=True,
    )
    backlog: Size = setting(
        parse_size("4MiB"),
        "How much waits for a destination that is slow or full; what comes then is dropped, counted and told of.",
        restart=True,
        low=parse_size("64KiB"),
        high=parse_size("1GiB"),
    )


class Admin(Section):
    """[admin]: health, metrics and the status page."""

    listen: Listen = setting(
        "",
        "Where the page, health and metrics are asked for: a loopback address and port, unix: and the path of a socket,"
        " or with token_file any address and port; empty for none.",
        restart=True,
    )
    token_file: OptionalPath = setting(
        None,
        "A file whose first line is the token that whoever asks must show (Bearer, or the password of Basic); empty for"
        " none. A reload reads it again.",
        follows="admin.listen",
    )
