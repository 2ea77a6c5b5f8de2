"""A run of a month that kills itself at a point, as a power cut would.

Belongs here: the one program that `test_killed_runs.py` starts. Does not belong here: what
must be true afterwards.

    python killed_run.py <point> <moment> -- run --month 2024-07

`moment` is `before` or `after` the first rename onto a path that contains `point`, or
`called`: when the function `point`, such as `pipelines.publishing:publish`, is called.
Everything else is the command line as it is.
"""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pipelines import cli


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_rename(point: str, moment: str) -> None:
    rename = os.replace

    def replace(source: Any, target: Any, **kwargs: Any) -> None:
        is_here = point in Path(target).as_posix()
        if is_here and moment == "before":
            die()
        rename(source, target, **kwargs)
        if is_here:
            die()

    os.replace = replace


def kill_when_called(point: str) -> None:
    module_name, _, name = point.partition(":")
    module = importlib.import_module(module_name)
    assert callable(getattr(module, name))
    setattr(module, name, lambda *_, **__: die())


if __name__ == "__main__":
    point, moment, _, *arguments = sys.argv[1:]
    if moment == "called":
        kill_when_called(point)
    else:
        kill_at_rename(point, moment)
    sys.argv = ["sus-pricing", *arguments]
    cli.main()
