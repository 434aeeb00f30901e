"""Everything that needs the broker, put together: pictures in, messages out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from station.broker import Broker, access
from station.domain import Lane, Outcome
from station.flow import Doorbell
from station.herald import Herald
from station.keeper import Keeper
from station.mail import Mail
from station.messages import HealthMessage
from station.outbox import Outbox
from station.post import Patterns, Post
from station.replay import Replay
from station.settings import Settings
from station.shortage import Problems
from station.spool import Spool
from station.store import Store
from station.times import Clock, iso


@dataclass(frozen=True)
class Mailroom:
    """What the rest of the station needs of it."""

    broker: Broker
    mail: Mail
    outbox: Outbox
    keeper: Keeper
    clock: Clock

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """Frames have their outcomes: tells of them, and deletes what may not be kept."""
        self.outbox.ring()
        self.keeper.recorded(outcomes, self.clock())


@contextmanager
def opened(
    settings: Settings, store: Store, herald: Herald, problems: Problems, bell: Doorbell, clock: Clock
) -> Iterator[Mailroom]:
    """Starts broker, outbox and post; stops them in reverse.  Raises `BrokerError` or `SpoolError`."""
    how, station, topics = settings.mqtt, settings.station.id, herald.topics
    patterns, mail = Patterns(how.images, station), Mail(store, herald)
    keeper = Keeper(Spool(how.spool), mail, int(how.spool_max_mb * 1e6), settings.privacy.people == "keep")
    keeper.forget_people(clock())
    broker = Broker(access(how, station), topics.status, [*patterns.filters, topics.replay], bell)
    replay = Replay(mail, topics, station, lambda topic: patterns.match(topic) is not None)
    outbox = Outbox(broker, mail, replay, how.outbox_max, problems, bell)
    outbox.health = lambda: topics.health(health(settings, mail, problems, clock()))
    post = Post(broker, how, patterns, store, mail, keeper, problems, bell, clock)
    post.others[topics.replay] = replay.ask
    broker.listen(outbox)
    broker.listen(post)
    with broker, outbox, post:
        yield Mailroom(broker, mail, outbox, keeper, clock)


def health(settings: Settings, mail: Mail, problems: Problems, now: datetime) -> HealthMessage:
    """How the station does."""
    waiting = mail.frames_waiting()
    oldest = min((since for _, since in waiting.values()), default=None)
    return HealthMessage(
        station=settings.station.id,
        at=iso(now),
        waiting_live=waiting.get(Lane.LIVE, (0, ""))[0],
        waiting_backlog=waiting.get(Lane.BACKLOG, (0, ""))[0],
        oldest_waiting_s=(now - datetime.fromisoformat(oldest)).total_seconds() if oldest else None,
        outbox=mail.depth(),
        free_mb=shutil.disk_usage(settings.station.database.absolute().parent).free / 1e6,
        problems=problems.current(),
    )
