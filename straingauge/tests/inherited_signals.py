"""Signals that the tests' programs need, though a shell started the tests without them."""

import signal


def accept_signals() -> None:
    """Let the programs that tests start be interrupted and hung up.

    Programs inherit what a shell's `&` and nohup ignore; they do not inherit what is handled.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
