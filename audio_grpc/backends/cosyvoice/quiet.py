"""Importing and loading without side effects on the rest of the process."""

import io
import logging
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

ONE_AT_A_TIME = threading.Lock()
"""Held while a library is loaded: the state that is put back afterwards belongs to the whole process."""

log = logging.getLogger(__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Log levels, log handlers and random generators are as before in the end; what is printed is logged.

    CosyVoice sets the root logger to DEBUG when it is imported, and seeds every generator when it loads.
    """
    import torch

    printed = io.StringIO()
    root = logging.getLogger()
    gpus = range(torch.cuda.device_count())
    with ONE_AT_A_TIME, torch.random.fork_rng(gpus), redirect_stdout(printed):
        level, handlers = root.level, list(root.handlers)
        python_random, numpy_random = random.getstate(), np.random.get_state()
        root.addHandler(logging.NullHandler())  # logging.basicConfig does nothing where there is a handler
        try:
            yield
        finally:
            random.setstate(python_random)
            np.random.set_state(numpy_random)
            root.setLevel(level)
            root.handlers[:] = handlers
    for line in printed.getvalue().splitlines():
        log.debug("CosyVoice: %s", line)


@contextmanager
def absent(names: Sequence[str]) -> Iterator[None]:
    """Modules that are not installed can be imported, and do nothing, until the end.

    Not longer: others look whether they are installed.
    """
    standing_in = [name for name in names if not _installed(name)]
    sys.modules.update((name, Absent(name)) for name in standing_in)
    try:
        yield
    finally:
        for name in standing_in:
            del sys.modules[name]


def _installed(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except ModuleNotFoundError:  # its package is not
        return False


class Absent(ModuleType):
    """A module with every name in it; each is a function that does nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None
