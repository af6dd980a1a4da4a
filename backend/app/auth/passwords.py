"""Password rules, and argon2id hashing in a thread pool.

Parameters are the minimum of the OWASP Password Storage Cheat Sheet for argon2id (19 MiB, two
passes, one lane). argon2 releases the GIL, so hashing runs in parallel with the event loop. The
number of threads bounds the memory and the cores that concurrent logins use; `hashing_queue` has
the requests that wait for them.
"""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

P = ParamSpec("P")
T = TypeVar("T")

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
THREADS = os.cpu_count() or 1
_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="argon2")

MIN_LENGTH = 12
MAX_LENGTH = 256
"""Longest accepted password in characters; bounds the cost of hashing."""
PATTERNS = (r"\p{Lu}", r"\p{Ll}", r"\p{Nd}", r"[^\p{L}\p{N}\p{Z}\p{C}]")
"""`violated_rules` as regular expressions of JSON Schema: what a new password must contain."""


def violated_rules(password: str) -> list[str]:
    """Return the rules that a new password violates, one sentence each."""
    if len(password) > MAX_LENGTH:  # before any work that grows with the length
        return [f"It may have at most {MAX_LENGTH} characters."]
    categories = {unicodedata.category(char) for char in password}
    rules = {
        f"It needs at least {MIN_LENGTH} characters.": len(password) >= MIN_LENGTH,
        "It needs an upper-case letter.": "Lu" in categories,
        "It needs a lower-case letter.": "Ll" in categories,
        "It needs a digit.": "Nd" in categories,
        "It needs a special character, such as ! or #.": any(
            category[0] not in "LNZC" for category in categories
        ),
    }
    return [message for message, satisfied in rules.items() if not satisfied]


def hash_password_sync(password: str) -> str:
    """Hash a password with argon2id. Blocks for tens of milliseconds: not for the event loop."""
    return _hasher.hash(password)


async def hash_password(password: str) -> str:
    """Hash a password with argon2id, in a thread."""
    return await _in_thread(hash_password_sync, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Check a password against a hash, in a thread.

    Without a hash (unknown account) a dummy hash is checked and the result is False, so the
    duration does not reveal which accounts exist.
    """
    matches = await _in_thread(_verify_password_sync, password_hash, password)
    return matches and password_hash is not None


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a thread, and return or raise only when the thread is free again."""
    call = partial(function, *args, **kwargs)
    future = asyncio.get_running_loop().run_in_executor(_threads, call)
    try:
        return await asyncio.shield(future)
    finally:
        if not future.done():  # cancelled, but a thread cannot be
            await asyncio.wait([future])


def _verify_password_sync(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _dummy_hash(), password)
    except VerifyMismatchError:
        return False


@cache
def _dummy_hash() -> str:
    return hash_password_sync(os.urandom(16).hex())


def warm_up() -> None:
    """Compute the dummy hash, so that the first login to an unknown account is not slower."""
    _dummy_hash()
