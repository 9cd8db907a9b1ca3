"""The most 200-byte UDP frames per second that arrive, one way at a time.

Offered by tests/bench/udpload at an even pace and counted by its receiver, whose buffer is large. A rate is carried
when less than 0.5 % of the frames are lost and the sender could offer it; a step that fails once is repeated, so that
noise does not end the search. First by doubling and halving until two rates are within 25 %, then up from the lower
one in steps of 5 %."""

import dataclasses
import itertools
import json
import math
import subprocess

from party import daemons, standard, topology

FRAME = 200  # bytes of Ethernet
PAYLOAD = FRAME - 14 - 20 - 8
LOSS = 0.005
OFFERED = 0.97  # of the rate that was asked for: less, and the sender was the limit
COARSE, FINE = 1.25, 1.05  # factors from step to step
FIRST_RATE, LOWEST, HIGHEST = 20_000, 500, 1_000_000
TOOL = "tests/bench/udpload"
PORT = 27015
ENDS = {"up": ("c1", "lan", topology.LAN_HOST), "down": ("lan", "c1", standard.ADDRESSES["c1"])}

_runs = itertools.count(1)


@dataclasses.dataclass
class Step:
    """One offer and what became of it."""
    rate: float  # asked for
    offered: float  # by the sender, frames per second
    loss: float  # share
    overflowed: int  # of them, in the receiver's own buffer

    @property
    def carried(self):
        return self.loss < LOSS and self.offered >= OFFERED * self.rate


def offer(party, way, rate, seconds):
    """Offers so many frames per second for a while."""
    source, sink, address = ENDS[way]
    number = str(next(_runs))
    tool = daemons.program(TOOL)
    receiver = party.spawn(sink, [tool, "receive", str(PORT), number], stdout=subprocess.PIPE, text=True)
    try:
        receiver.stdout.readline()
        sent = json.loads(party.spaces[source].run([tool, "send", address, str(PORT), number, str(PAYLOAD),
                                                    f"{rate:.0f}", f"{seconds}"], timeout=seconds + 20))
        receiver.terminate()
        got = json.loads(receiver.stdout.read())
    finally:
        party.end(receiver)
    return Step(rate, sent["sent"] / sent["seconds"], 1 - got["received"] / max(sent["sent"], 1), got["overflowed"])


class Search:
    """The search of one way through one system."""

    def __init__(self, party, way, seconds):
        self.party, self.way, self.seconds = party, way, seconds
        self.steps = []
        self.best = 0.0

    def carries(self, rate):
        for _ in range(2):
            step = offer(self.party, self.way, rate, self.seconds)
            self.steps.append(step)
            if step.carried:
                self.best = max(self.best, step.offered * (1 - step.loss))
                return True
        return False

    def run(self, start):
        """Between a rate that is carried and one that is not, ever closer; then up by small steps, for as long as
        they are carried."""
        low, high = start, None
        while not self.carries(low):
            low, high = low / COARSE, low
            if low < LOWEST:
                return 0.0
        if high is None:
            high = 2 * low
            while high < HIGHEST and self.carries(high):
                low, high = high, 2 * high
        while high / low > COARSE:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.carries(middle) else (low, middle)
        while low < HIGHEST and self.carries(low * FINE):
            low *= FINE
        return self.best


def measure(party, way, seconds, start=None):
    """The frames per second that arrive, and why the last step failed."""
    search = Search(party, way, seconds)
    result = {f"udp_{way}_fps": search.run(start or FIRST_RATE)}
    last = search.steps[-1]
    result[f"udp_{way}_limit"] = (f"{last.rate:.0f}/s: {last.loss:.1%} lost, {last.overflowed} of it at the receiver; "
                                  f"{last.offered:.0f}/s offered; {len(search.steps)} steps")
    return result
