"""FastAPI dependencies that authenticate a request."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from app.auth.models import Role
from app.auth.tokens import AccessTokens, Principal, bearer_token
from app.errors import Forbidden


async def current_user(request: Request) -> Principal:
    """Return the account of the access token, without a database query.

    Raises:
        Unauthorized: The token is missing or invalid.
    """
    tokens: AccessTokens = request.app.state.access_tokens
    return tokens.verify(bearer_token(request))


CurrentUser = Annotated[Principal, Depends(current_user)]


def require_role(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """Create a dependency that admits these roles only.

        therapist: Annotated[Principal, Depends(require_role(Role.THERAPIST))]

    Raises:
        Forbidden: The account has another role.
    """
    allowed = frozenset(roles)

    async def check(principal: CurrentUser) -> Principal:
        if principal.role not in allowed:
            raise Forbidden(f"This requires the role {' or '.join(sorted(allowed))}.")
        return principal

    return check
