"""Keeps the event times of several publishers together, so that no order on time can become late by accident.

Whether a row is late is decided against the watermark, which follows the newest row that the query saw from anybody. A
publisher that waits for a restarted daemon while the others move on would find its rows dropped. So event time goes in
rounds of one second, and round n begins only after everybody had round n - 2 acknowledged: whoever still sends a row of
round n knows that the log holds nothing newer than round n + 1.
"""

import threading

LEAD = 2


class Pace:
    def __init__(self, publishers):
        self.acknowledged = dict.fromkeys(publishers, -1)
        self.failure = None
        self.stopped = threading.Event()

    def may_begin(self, number):
        return min(self.acknowledged.values()) >= number - LEAD

    def finish(self, publisher, number):
        """All of the publisher's rounds up to this one are acknowledged."""
        self.acknowledged[publisher] = number

    def fail(self, failure):
        """Ends the run: what went wrong is raised in the test, not in a publisher's thread."""
        self.failure = self.failure or failure
        self.stopped.set()

    def stop(self):
        self.stopped.set()

    def check(self):
        assert self.failure is None, self.failure
