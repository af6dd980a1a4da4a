"""Addresses of clients in access logs."""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

# What servers write for a client without an address, such as one on a unix socket: nginx, Go,
# hypercorn, and programs that format None.
_UNKNOWN: Final = frozenset(
    {"", "-", "@", "none", "null", "unix", "unix:", "unknown", "<???>", "<local>"}
)
_LIKE_ADDRESS: Final = re.compile(r"\[?[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*(?:%\w+)?\]?(?::\d+)?")
_IPV4: Final = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?", re.ASCII)
_LOGGER: Final = re.compile(r"[A-Z]+:[\w.]+:(?=\S)")  # logging.BASIC_FORMAT: INFO:name:message
_NO_NAME: Final = re.compile(r".*[:|\[\]()<>]")
_CLF_WORDS: Final = 3  # client, ident, user


def client_of(text: str) -> str:
    """Return the address of a client without its port, which differs by connection.

    Returns:
        An address or a host's name; empty for what servers write if there is none.
    """
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.startswith("[")):
        text = host.strip("[]")
    return "" if text.lower() in _UNKNOWN else text


def client_before(head: str) -> str:
    """Return the client in what a line has before its time, such as "192.0.2.1 - ann".

    It is the last address; those of a chain of proxies begin with the client. Without an address,
    it is the host's name in the place that the common log format gives it.
    """
    words = (_LOGGER.sub("", head) if head[:1].isupper() else head).split()
    if len(words) == _CLF_WORDS and _is_address(words[0]):
        return client_of(words[0])
    for place in range(len(words) - 1, -1, -1):
        if _is_address(words[place]):
            while place and words[place - 1].endswith(",") and _is_address(words[place - 1][:-1]):
                place -= 1  # noqa: PLW2901  the begin of the chain
            return client_of(words[place].rstrip(","))
    place = 0 if len(words) <= _CLF_WORDS or words[1] == "-" else -3
    name = client_of(words[place]) if words else ""
    return "" if _NO_NAME.fullmatch(name) else name


def client_at_end(head: str) -> str:
    """Return the client that is the last word of a text, as HOST:PORT or an address; else empty."""
    word = head.split()[-1:]
    if not word:
        return ""
    host, colon, port = word[0].rpartition(":")
    if colon and port.isdecimal() and host and ":" not in host:
        return client_of(word[0])
    # uvicorn writes IPv6 without brackets, and always a port.
    without_port = host if colon and port.isdecimal() and _is_address(host) else word[0]
    return without_port.strip("[]") if _is_address(without_port) else ""


@lru_cache(maxsize=65_536)
def _is_address(word: str) -> bool:
    if _IPV4.fullmatch(word):
        return True
    if not _LIKE_ADDRESS.fullmatch(word):
        return False
    try:
        ip_address(client_of(word).strip("[]"))
    except ValueError:
        return False
    return True
