"""Becomes a command that ends when the process that started it does, whatever ends that one.

``python tether.py PARENT COMMAND ...``, where PARENT is the process id of the one that starts it. It is a
program of its own, and not code between fork and exec, since that is unsafe where there are threads (gRPC has
some).
Linux only; elsewhere the command outlives a supervisor that was killed.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Tie this process to its parent, and become the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it ended before we were tied to it
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
