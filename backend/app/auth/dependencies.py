"""What endpoints depend on to know who is asking."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from app.auth.models import Role
from app.auth.tokens import AccessTokens, Principal, bearer_token
from app.errors import Forbidden, Unauthorized
from app.middleware.rate_limit import ANONYMOUS, RateLimits


async def current_user(request: Request) -> Principal:
    """Who is asking, by the access token alone.

    Raises:
        Unauthorized: without a valid token.
        RateLimited: when an address has tried too often without one.
    """
    tokens: AccessTokens = request.app.state.access_tokens
    try:
        return tokens.verify(bearer_token(request))
    except Unauthorized:
        limits: RateLimits | None = request.app.state.rate_limits
        if limits is not None:
            await limits.spend(ANONYMOUS, request, {})
        raise


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
