"""How many blocks a run needs before any of its comparisons can come out significant: compare/
plans with it, analysis/ tells it to who took fewer."""

import math

ALPHA = 0.05


def blocks_needed(comparisons: int) -> int:
    """Fewest blocks with which the signed-rank test can reach ALPHA at all after Holm's correction.

    The least two-sided p of n differences is 2 / 2^n; the first of m comparisons is multiplied by
    m.
    """
    return math.floor(1 + math.log2(max(comparisons, 1) / ALPHA)) + 1
