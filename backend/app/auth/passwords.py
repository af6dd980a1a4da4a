"""Passwords: the rules they keep, and argon2id in a few threads.

Parameters: the OWASP Password Storage Cheat Sheet's minimum for argon2id (19 MiB, two passes, one
lane). argon2 lets go of Python's lock, so it runs beside the event loop; the number of threads
bounds the memory and the cores that a rush of logins can take.
"""

import asyncio
import os
import string
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_threads = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="argon2")

MAX_LENGTH = 256
"""Hashing is costly by design: the length is bounded, far beyond what anybody types."""


def broken_rules(password: str) -> list[str]:
    """What a new password lacks, a sentence for each; empty when it is good."""
    rules = {
        "It needs at least 12 characters.": len(password) >= 12,
        f"It may have at most {MAX_LENGTH} characters.": len(password) <= MAX_LENGTH,
        "It needs an upper-case letter.": any(char.isupper() for char in password),
        "It needs a lower-case letter.": any(char.islower() for char in password),
        "It needs a digit.": any(char.isdigit() for char in password),
        "It needs a special character, such as ! or #.": any(
            char in string.punctuation or not (char.isalnum() or char.isspace())
            for char in password
        ),
    }
    return [message for message, kept in rules.items() if not kept]


def hash_now(password: str) -> str:
    """The argon2id hash; takes tens of milliseconds, so not in the event loop."""
    return _hasher.hash(password)


async def hash_password(password: str) -> str:
    """The argon2id hash, computed in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hash_now, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one of the hash, found out in a thread.

    Without a hash (no such account) the work is the same and the answer is no: the time a login
    takes does not tell who has an account.
    """
    loop = asyncio.get_running_loop()
    matches = await loop.run_in_executor(_threads, _verify_now, password_hash, password)
    return matches and password_hash is not None


def _verify_now(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password)
    except VerifyMismatchError:
        return False


@cache
def _nobodys_hash() -> str:
    return hash_now(os.urandom(16).hex())


def warm_up() -> None:
    """Make nobody's hash, so that the first unknown account is not slower than a known one."""
    _nobodys_hash()
