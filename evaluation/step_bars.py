"""One progress bar for each step of an evaluation."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBars


def step_bars(bars: "ProgressBars") -> Callable[[str], Callable[[int, int], None]]:
    """What begins a step by its title and is told how far it is; it ends the step before."""

    def begin(title: str) -> Callable[[int, int], None]:
        for task in bars.tasks:
            bars.update(task.id, visible=False)
        bar = bars.add_task(title, total=None)
        return lambda done, total: bars.update(bar, completed=done, total=total)

    return begin
