"""Orders of a furniture factory, the same for the same seed: what the end-to-end test publishes.

    {"stores_request_id":10004352789,"event_time":"2026-03-01T08:00:01.250Z",
     "parent_order":{"order_ref":777289,"agent":"Mr Thing (1185)"},
     "bom":[{"part":"hinge_cup_sg7","quantity":18}, ...]}

Event time follows a clock that the caller moves on. An order is up to DISORDER behind that clock, which a watermark with
a delay of DELAY tolerates, or LATE behind everything, which it cannot. Some orders have nothing in `bom`, name a part
twice or leave out a quantity; some values are no JSON at all.

`python3 orders.py 100` prints a hundred of them, one a line, for kcat.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone

START = datetime(2026, 3, 1, 8, 0, 0, tzinfo=timezone.utc)
DELAY = timedelta(seconds=10)
DISORDER = timedelta(seconds=6)
LATE = timedelta(hours=1)

PARTS = ["hinge_cup_sg7", "cam_lock_15", "dowel_8x30", "shelf_pin_5", "leg_oak_710", "drawer_rail_450", "panel_back_wht",
         "screw_4x16", "handle_128_blk", "glue_d3", "bracket_l40", "foot_felt_28", "türgriff_messing", "板_18mm"]
AGENTS = ["Mr Thing (1185)", "Ms Bolt (204)", "Señora Muñoz (77)", 'R. "Bob" O\'Hara (9)']


class Orders:
    """One publisher's endless supply."""

    def __init__(self, seed, publisher, garbage=0.0):
        self.random = random.Random(f"{seed} {publisher}")
        self.garbage = garbage
        self.count = 0

    def next(self, clock):
        """An order that is on time for a watermark of DELAY, or garbage now and then."""
        if self.random.random() < self.garbage:
            return self.not_json()
        behind = self.random.random() ** 3 * DISORDER  # mostly little
        return self.order(START + timedelta(seconds=clock) - behind)

    def late(self):
        """An order that is certainly late once the watermark has passed START."""
        return self.order(START - LATE - self.random.random() * timedelta(minutes=10))

    def far_future(self, clock):
        """An order that closes all windows that were open until `clock`."""
        return self.order(START + timedelta(seconds=clock) + LATE)

    def order(self, event_time):
        self.count += 1
        order = {
            "stores_request_id": 10_004_000_000 + self.random.randrange(1_000_000),
            "event_time": event_time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "parent_order": {"order_ref": 700_000 + self.count, "agent": self.random.choice(AGENTS)},
            "bom": [self.item() for _ in range(self.random.choice([0, 1, 2, 2, 3, 3, 4, 6]))],
        }
        return json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()

    def item(self):
        item = {"part": self.random.choice(PARTS), "quantity": self.random.randrange(1, 25)}
        if self.random.random() < 0.02:
            del item["quantity"]
        return item

    def not_json(self):
        self.count += 1
        return self.random.choice([b"garbage %d", b"{\"stores_request_id\": %d, \"bom\": [", b"<order>%d</order>"]) % self.count


if __name__ == "__main__":
    orders = Orders(seed=1, publisher="example")
    for n in range(int(sys.argv[1]) if len(sys.argv) > 1 else 10):
        print(orders.next(clock=n / 10).decode())
