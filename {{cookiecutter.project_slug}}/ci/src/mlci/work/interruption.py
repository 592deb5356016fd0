"""What ends a command that changes the checkout: Ctrl-C, or SIGTERM from whoever runs it."""

import signal
import sys
from typing import NoReturn

TERMINATED = 143  # the exit code of what SIGTERM ended
ENDING = (signal.SIGINT, signal.SIGTERM)


def expect_one_signal() -> None:
    """Let the first signal that ends this process be the last that it hears, so that it can tidy up.

    `uv run` passes on what this process gets as well, and who presses Ctrl-C presses it twice.
    """
    for number in ENDING:
        signal.signal(number, end_once)


def end_once(number: int, _: object) -> NoReturn:
    """Begin to end.

    Raises:
        KeyboardInterrupt: the signal is that of Ctrl-C.
        SystemExit: it is another one.
    """
    for again in ENDING:
        signal.signal(again, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(TERMINATED)
