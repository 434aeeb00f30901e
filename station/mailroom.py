"""Everything that needs the broker, put together: pictures in, messages out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from station.broker import Broker, Incoming, access
from station.domain import Outcome
from station.flow import Doorbell
from station.herald import Herald
from station.homeassistant import BIRTH, BIRTH_TOPIC
from station.keeper import Keeper
from station.mail import Mail
from station.outbox import Outbox
from station.post import Patterns, Post
from station.replay import Replay
from station.settings import Settings
from station.shortage import Problems
from station.spool import Spool
from station.store import Store
from station.times import Clock


@dataclass
class Mailroom:
    """What the rest of the station needs of it."""

    broker: Broker
    outbox: Outbox
    keeper: Keeper
    clock: Clock
    announce: Callable[[], None] = lambda: None
    """Called when Home Assistant says that it is there."""

    def welcome(self, message: Incoming) -> None:
        """What Home Assistant says of itself."""
        if message.payload == BIRTH.encode():
            self.announce()

    def unsent(self) -> int:
        """How many estimates went unsent since the start."""
        return self.outbox.unsent

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
    patterns, mail = Patterns(how.images, station, settings.privacy.labels), Mail(store, herald)
    keeper = Keeper(Spool(how.spool), mail, int(how.spool_max_mb * 1e6), settings.privacy.people == "keep")
    if not how.homeassistant:
        store.take_back(clock())
    keeper.adopt(clock())
    keeper.forget_people(clock())
    heard = [*patterns.filters, topics.replay, *([BIRTH_TOPIC] if how.homeassistant else [])]
    broker = Broker(access(how, station), topics.status, heard, bell, mail.former(heard))
    replay = Replay(mail, topics, station, lambda topic: patterns.match(topic) is not None)
    outbox = Outbox(broker, mail, replay, how.outbox_max, problems, bell)
    post = Post(broker, how, patterns, store, mail, keeper, problems, bell, clock)
    room = Mailroom(broker, outbox, keeper, clock)
    post.others |= {topics.replay: replay.ask, BIRTH_TOPIC: room.welcome}
    broker.listen(outbox)
    broker.listen(post)
    with broker, outbox, post:
        yield room
