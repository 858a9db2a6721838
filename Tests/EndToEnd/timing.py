"""Whether two requests take the same time, on a machine that does other things meanwhile.

Both are sent in turn, in blocks. Of each block the difference of the lower quartiles counts: what others do to the machine makes some answers late,
what a server does for one of the two only makes all of its answers late. How much the blocks differ among themselves is the noise. A difference
counts when it is beyond the noise and beyond `least`; it is one when it shows in every round, in the same direction. Nothing is said where the
noise would hide half a millisecond: then the round counts for none.
"""

import statistics
import time

BLOCKS, PAIRS, ROUNDS, COARSEST = 12, 16, 6, 500e-6


def taken(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def difference(one, other):
    """The seconds that the first takes longer, and how sure that is: four standard errors."""
    found = []
    for block in range(BLOCKS):
        times = ([], [])
        for pair in range(PAIRS):
            for index in (0, 1) if (block + pair) % 2 else (1, 0):
                times[index].append(taken((one, other)[index]))
        lower = [statistics.quantiles(each, n=4)[0] for each in times]
        found.append(lower[0] - lower[1])
    middle = statistics.median(found)
    spread = 1.4826 * statistics.median(abs(each - middle) for each in found)
    return middle, 4 * 1.2533 * spread / BLOCKS**0.5


def assert_alike(one, other, least=25e-6, rounds=ROUNDS):
    """Returns the smallest difference that would have been one."""
    seen = []
    for _ in range(rounds):
        middle, noise = difference(one, other)
        if noise > COARSEST:
            continue
        seen.append((middle, noise))
        if abs(middle) < max(least, noise) or middle * seen[0][0] < 0:
            return max(least, noise)
    raise AssertionError(f"one takes longer than the other, in seconds: {seen}" if seen else "the machine is too busy to tell")
