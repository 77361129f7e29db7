"""A transactional producer that commits, aborts on purpose, stays away for too long, vanishes, and meets its own double."""

import threading
from typing import Any

from . import settings
from .topics import BY_NAME, KEYS
from .transaction import Lost, Transactions
from .worker import Worker

TOPICS = ["orders", "ledger", "accounts", "recent"]
ENDINGS = {"commit": 62, "abort": 22, "rival": 9, "vanish": 4, "overdue": 3}
ENDINGS_WITHOUT_FAULTS = {"commit": 75, "abort": 25}


class Transactional(Worker):
    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.instances = 0
        self.current: Transactions | None = None
        self.endings = ENDINGS if self.has_faults else ENDINGS_WITHOUT_FAULTS

    def next(self) -> Transactions:
        self.instances += 1
        return Transactions(self.record, f"{self.client}.{self.instances}", self.name, self.broker)

    def step(self) -> None:
        try:
            if self.current is None:
                self.current = self.next()
                self.current.init()
            self.transaction(self.current)
        except Lost:
            self.current = None
        self.pause(self.random.uniform(0, 0.12 / self.rate))

    def transaction(self, current: Transactions) -> None:
        current.begin()
        self.write(current, self.random.randint(1, 14))
        [ending] = self.random.choices(list(self.endings), self.endings.values())
        if ending == "commit":
            current.commit()
        elif ending == "abort":
            if self.random.random() < 0.7:
                current.sender.flush(5)  # else most of it never leaves the client
            current.abort()
        elif ending == "vanish":
            current.sender.flush(5)
            self.current = None
        elif ending == "overdue":
            current.sender.flush(5)
            self.pause(settings.TRANSACTION_SECONDS + 1)
            current.commit()
        else:
            self.rival(current)

    def write(self, current: Transactions, count: int) -> None:
        """Into several partitions of several topics, mostly more than one of each."""
        for _ in range(count):
            topic = self.random.choice(TOPICS)
            partition = self.random.randrange(BY_NAME[topic].partitions)
            key = f"{self.name}-{self.random.randrange(KEYS)}-{partition}" if BY_NAME[topic].policy == "compact" else None
            current.send(topic, partition, key=key, padding=self.random.randrange(200))

    def rival(self, old: Transactions) -> None:
        """Another instance with the same id begins while this one has a transaction open; then this one tries to go on."""
        old.sender.flush(5)
        new = self.next()
        self.current = None
        racer = threading.Thread(target=self.quietly, args=[old.commit])
        is_race = self.random.random() < 0.4
        if is_race:
            racer.start()
        try:
            new.init()
            self.current = new
        finally:
            if is_race:
                racer.join()
        if not is_race:
            self.quietly(lambda: self.write(old, 3))
            old.sender.flush(2)
            self.quietly(old.commit if self.random.random() < 0.8 else old.abort)

    def quietly(self, act) -> None:
        """What becomes of it is in the history."""
        try:
            act()
        except Lost:
            pass
