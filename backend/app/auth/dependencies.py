"""What endpoints depend on to know who is asking."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from app.auth.models import Role
from app.auth.tokens import AccessTokens, Principal
from app.errors import Forbidden, Unauthorized


def bearer_token(request: Request) -> str | None:
    """The token of the Authorization header, if there is one."""
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            if value[:7].lower() == b"bearer ":
                return str(value[7:], "latin-1")
            return None
    return None


async def current_user(request: Request) -> Principal:
    """Who is asking, by the access token alone.

    Raises:
        Unauthorized: without a valid token.
    """
    token = bearer_token(request)
    if token is None:
        raise Unauthorized("Send an access token: Authorization: Bearer <token>.")
    tokens: AccessTokens = request.app.state.access_tokens
    return tokens.verify(token)


CurrentUser = Annotated[Principal, Depends(current_user)]


def require_role(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets only these roles in.

        therapist: Annotated[Principal, Depends(require_role(Role.THERAPIST))]

    Raises:
        Forbidden: for any other role.
    """
    allowed = frozenset(roles)

    async def check(principal: CurrentUser) -> Principal:
        if principal.role not in allowed:
            raise Forbidden(f"This is for the role {' or '.join(sorted(allowed))}.")
        return principal

    return check
