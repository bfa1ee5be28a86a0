"""Line search for the strong Wolfe conditions (Nocedal, Wright 2006, section 3.5).

Knows a function of the step length; must not know optimizers.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor


def _cubic_minimum(
    x1: float,
    f1: float,
    g1: Any,
    x2: float,
    f2: float,
    g2: Any,
    bounds: tuple[float, float] | None = None,
) -> float:
    """Where the cubic through two points with given slopes is least, within bounds."""
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = float(g1) + float(g2) - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - float(g1) * float(g2)
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        place = x2 - (x2 - x1) * ((float(g2) + d2 - d1) / (float(g2) - float(g1) + 2 * d2))
    else:
        place = x1 - (x1 - x2) * ((float(g1) + d2 - d1) / (float(g1) - float(g2) + 2 * d2))
    return min(max(place, low), high)


def strong_wolfe(
    probe: Callable[[float], tuple[float, Tensor]],
    t: float,
    direction: Tensor,
    f: float,
    g: Tensor,
    slope: Any,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
    max_steps: int = 25,
) -> tuple[float, Tensor, float, int]:
    """Find a length with enough decrease and a flat enough slope.

    `probe(t)` gives the function and its gradient at length `t`. Returns the function, the
    gradient, the length and the number of probes.
    """
    norm = float(direction.abs().max())
    slope = float(slope)
    g = g.clone()
    f_new, g_new = probe(t)
    probes = 1
    slope_new = float(g_new.dot(direction))

    # Bracket: lengths, values, gradients and slopes of both ends.
    t_prev, f_prev, g_prev, slope_prev = 0.0, f, g, slope
    done = False
    steps = 0
    ends: list[tuple[float, float, Tensor, float]] = []
    while steps < max_steps:
        too_high = f_new > f + c1 * t * slope or (steps > 1 and f_new >= f_prev)
        if too_high:
            ends = [
                (t_prev, f_prev, g_prev, slope_prev),
                (t, f_new, g_new.clone(), slope_new),
            ]
            break
        if abs(slope_new) <= -c2 * slope:
            ends = [(t, f_new, g_new, slope_new)]
            done = True
            break
        if slope_new >= 0:
            ends = [
                (t_prev, f_prev, g_prev, slope_prev),
                (t, f_new, g_new.clone(), slope_new),
            ]
            break
        shortest = t + 0.01 * (t - t_prev)
        longest = t * 10
        t_last = t
        t = _cubic_minimum(
            t_prev, f_prev, slope_prev, t, f_new, slope_new, bounds=(shortest, longest)
        )
        t_prev, f_prev, g_prev, slope_prev = t_last, f_new, g_new.clone(), slope_new
        f_new, g_new = probe(t)
        probes += 1
        slope_new = float(g_new.dot(direction))
        steps += 1
    if steps == max_steps:
        ends = [(0.0, f, g, slope), (t, f_new, g_new, slope_new)]

    # Zoom: shrink the bracket around its lower end.
    stuck = False
    low, high = (0, 1) if ends[0][1] <= ends[-1][1] else (1, 0)
    while not done and steps < max_steps:
        if abs(ends[1][0] - ends[0][0]) * norm < tolerance:
            break
        t = _cubic_minimum(ends[0][0], ends[0][1], ends[0][3], ends[1][0], ends[1][1], ends[1][3])
        # Keep away from the ends: a second guess near one goes a tenth into the bracket.
        smallest, largest = min(ends[0][0], ends[1][0]), max(ends[0][0], ends[1][0])
        margin = 0.1 * (largest - smallest)
        if min(largest - t, t - smallest) < margin:
            if stuck or t >= largest or t <= smallest:
                if abs(t - largest) < abs(t - smallest):
                    t = largest - margin
                else:
                    t = smallest + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = probe(t)
        probes += 1
        slope_new = float(g_new.dot(direction))
        steps += 1
        point = (t, f_new, g_new.clone(), slope_new)
        if f_new > f + c1 * t * slope or f_new >= ends[low][1]:
            ends[high] = point
            low, high = (0, 1) if ends[0][1] <= ends[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -c2 * slope:
                done = True
            elif slope_new * (ends[high][0] - ends[low][0]) >= 0:
                ends[high] = ends[low]
            ends[low] = point
    t, f_new, g_new, _ = ends[low if len(ends) > 1 else 0]
    return f_new, g_new, t, probes
