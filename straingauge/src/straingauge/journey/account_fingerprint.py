"""The account of a user, to count how many different ones a load uses."""

import base64
import hashlib

from straingauge.journey.user import User
from straingauge.json_text import parse_json


def account_fingerprint(user: User) -> str | None:
    """Return a fingerprint of the account that a user's requests are authorized for.

    Each log-in returns another token, so the account is that of the token's subject (RFC 7519,
    section 4.1.2), else that of the data the user started with, else the token itself. A session in
    cookies is one of the data, too. The setting `auth` is one account for all users. None without
    any of these.
    """
    account: str | None
    token = user.headers.get("Authorization")
    if user.has_cookies and user.account and (not token or user.has_common_auth):
        account = user.account
    elif user.has_common_auth:
        account = "auth"
    else:
        account = (_subject(token) or user.account or token) if token else None
    return hashlib.sha256(account.encode()).hexdigest()[:16] if account else None


def _subject(token: str) -> str | None:
    """Return issuer and subject of a JSON Web Token; None if it is none, or names no subject."""
    parts = token.rpartition(" ")[2].split(".")
    if len(parts) != 3:
        return None
    try:
        claims = parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:  # of Base64, UTF-8 or JSON
        return None
    if not isinstance(claims, dict) or "sub" not in claims:
        return None
    return f"{claims.get('iss')} {claims['sub']}"
