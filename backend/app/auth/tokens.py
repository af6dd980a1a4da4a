"""Access tokens (JWT) and refresh tokens (random), and who a request comes from."""

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
_MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, as the access token says; no database was asked."""

    id: uuid.UUID
    role: Role


class AccessTokens:
    """Issues access tokens and verifies them.

    A verified token is remembered until it expires (the newest 10,000), because checking a
    signature costs more than everything else the service does to a request before its endpoint.
    """

    def __init__(self, key: str, ttl_s: int) -> None:
        self._key = key
        self.ttl_s = ttl_s
        self._verified: dict[str, tuple[Principal, float]] = {}

    def issue(self, principal: Principal) -> str:
        """A signed token that is good for `ttl_s` seconds."""
        now_s = int(time.time())
        claims = {
            "sub": str(principal.id),
            "role": principal.role.value,
            "iat": now_s,
            "exp": now_s + self.ttl_s,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def verify(self, token: str | None) -> Principal:
        """Who the token was issued to.

        Raises:
            Unauthorized: when there is none, or it is malformed, expired or signed by another.
        """
        if token is None:
            raise Unauthorized("Send an access token: Authorization: Bearer <token>.")
        known = self._verified.get(token)
        if known is not None and time.time() < known[1]:
            return known[0]
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["sub", "role", "exp"]},
            )
            principal = Principal(uuid.UUID(claims["sub"]), Role(claims["role"]))
        except jwt.ExpiredSignatureError:
            self._verified.pop(token, None)
            raise Unauthorized("The access token has expired.", code="token_expired") from None
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthorized("The access token is not valid.") from None
        if len(self._verified) >= _MAX_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (principal, claims["exp"])
        return principal


def bearer_token(request: Request) -> str | None:
    """The token of the Authorization header, if there is one."""
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            return str(value[7:], "latin-1") if value[:7].lower() == b"bearer " else None
    return None


def new_refresh_token() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(32)


def hash_refresh_token(token: str) -> bytes:
    """What is stored of a refresh token. SHA-256 will do: the token is random."""
    return hashlib.sha256(token.encode()).digest()
