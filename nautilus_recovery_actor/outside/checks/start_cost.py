"""
How long a start takes by the number of orders.
"""

import math
from itertools import pairwise


# Orders, and the seconds that they take
_CURVE = (
    (250, 0.3),
    (500, 0.7),
    (1_000, 1.0),
    (2_000, 3.5),
    (4_000, 10.0),
    (10_000, 40.0),
    (50_000, 900.0),
)


def start_secs(order_count: int) -> float:
    """
    Return about how long loading and reconciliation take.

    Measured with ``python -m benchmarks.reconciliation`` on a real node with a Valkey on the same
    machine (two cores), one fill for each order, 20 instruments: the larger of what a first start
    took, to which all orders were new, and the next, to which all were known; and the larger of
    1.221 and 1.231, which is 1.231's (for 4,000 orders 1.221 took 5 seconds). The last point was
    measured on the engine alone, without a cache database: 15 minutes.

    Between the points it goes by a power of the number, which a straight line is on a logarithmic
    scale: the cost doubles from 500 to 1,000 orders, and quadruples for twice as many beyond.
    """
    if order_count <= 0:
        return 0.0
    segments = list(pairwise(_CURVE))
    within = (segment for segment in segments if order_count <= segment[1][0])
    (low, low_secs), (high, high_secs) = next(within, segments[-1])
    power = math.log(high_secs / low_secs) / math.log(high / low)
    return low_secs * math.pow(order_count / low, power)
