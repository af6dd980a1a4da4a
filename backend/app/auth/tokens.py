"""Access tokens (JWT) and refresh tokens (random)."""

import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass

import jwt
from fastapi import Request

from app.auth.models import Role
from app.errors import Unauthorized

_ALGORITHM = "HS256"
_MAX_CACHED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated account, as stated by the access token."""

    id: uuid.UUID
    role: Role


class AccessTokens:
    """Issues and verifies access tokens.

    The 10,000 newest verified tokens are cached until they expire: checking a signature costs more
    than all other work before the endpoint is called.
    """

    def __init__(self, key: str, ttl_s: int) -> None:
        self._key = key
        self.ttl_s = ttl_s
        self._verified: dict[str, tuple[Principal, float]] = {}

    def issue(self, principal: Principal, ttl_s: int | None = None) -> str:
        """Create a signed token that is valid for `ttl_s` seconds; by default, that of all."""
        now_s = int(time.time())
        claims = {
            "sub": str(principal.id),
            "role": principal.role.value,
            "iat": now_s,
            "exp": now_s + (self.ttl_s if ttl_s is None else ttl_s),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def verify(self, token: str | None) -> Principal:
        """Return the account that a token was issued to.

        Raises:
            Unauthorized: The token is missing, malformed, expired or signed with another key.
        """
        if token is None:
            raise Unauthorized("Send an access token: Authorization: Bearer <token>.")
        cached = self._verified.get(token)
        if cached is not None and time.time() < cached[1]:
            return cached[0]
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                # The clocks of two machines may differ by more than the time since a token was
                # issued. RFC 7519 (4.1.6) gives `iat` to know its age, not to refuse it.
                options={"require": ["sub", "role", "exp"], "verify_iat": False},
            )
            principal = Principal(uuid.UUID(claims["sub"]), Role(claims["role"]))
        except jwt.ExpiredSignatureError:
            self._verified.pop(token, None)
            raise Unauthorized("The access token has expired.", code="token_expired") from None
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthorized("The access token is not valid.") from None
        if len(self._verified) >= _MAX_CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (principal, claims["exp"])
        return principal


def bearer_token(request: Request) -> str | None:
    """Return the token of the Authorization header; None if there is none, or several differ."""
    given = {value for name, value in request.scope["headers"] if name == b"authorization"}
    if len(given) != 1:
        return None
    value = given.pop()
    return str(value[7:], "latin-1") if value[:7].lower() == b"bearer " else None


def new_refresh_token() -> str:
    """Generate a token of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_refresh_token(token: str) -> bytes:
    """Hash a refresh token for storage. SHA-256 is enough, because the token is random."""
    return hashlib.sha256(token.encode()).digest()
