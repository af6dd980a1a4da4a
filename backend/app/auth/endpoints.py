"""`/api/v1/auth`: accounts and tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.auth import service
from app.auth.dependencies import CurrentUser
from app.auth.hashing_queue import HashingRoute, Place
from app.auth.login_limits import LoginLimits
from app.auth.models import User
from app.auth.schemas import (
    LoginRequest,
    RefreshRequest,
    SignupRequest,
    TokenResponse,
    UserResponse,
)
from app.auth.service import TokenService
from app.database import DbSession
from app.errors import Conflict, RateLimited, Unauthorized, Unavailable
from app.middleware.rate_limit import limiter
from app.middleware.rate_limit_counters import address_key
from app.openapi.responses import declare
from app.settings import Settings
from app.strict_route import StrictRoute

router = APIRouter(
    prefix="/api/v1/auth",
    tags=["auth"],
    responses=declare(RateLimited),
    route_class=StrictRoute,
)
hashing_router = APIRouter(
    prefix="/api/v1/auth",
    tags=["auth"],
    responses=declare(RateLimited, Unavailable),
    route_class=HashingRoute,
)
"""The operations that hash a password."""


def token_service(request: Request, session: DbSession) -> TokenService:
    """Create the token service of a request."""
    state = request.app.state
    settings: Settings = state.settings
    return TokenService(
        session,
        state.access_tokens,
        refresh_ttl_s=settings.refresh_token_ttl_s,
        login_ttl_s=settings.login_ttl_s,
    )


Tokens = Annotated[TokenService, Depends(token_service)]


def _place(request: Request) -> Place:
    place: Place = request.scope["hashing_place"]
    return place


@hashing_router.post(
    "/signup", status_code=201, response_model=UserResponse, responses=declare(Conflict)
)
@limiter.limit("signup", key=address_key)
async def signup(request: Request, session: DbSession, account: SignupRequest) -> User:
    """Create an account with the role therapist or patient."""
    return await service.sign_up(session, account, _place(request))


@hashing_router.post("/login", responses=declare(Unauthorized))
@limiter.limit("failed_logins_by_address", key=address_key, failures_only=True)
async def login(request: Request, tokens: Tokens, credentials: LoginRequest) -> TokenResponse:
    """Log in with e-mail address and password."""
    place = _place(request)
    limits = LoginLimits(request.app.state.rate_limits, credentials.email, place.client)
    return await tokens.log_in(credentials, limits, place)


@router.post("/refresh", responses=declare(Unauthorized))
@limiter.limit("default")
async def refresh(request: Request, tokens: Tokens, payload: RefreshRequest) -> TokenResponse:
    """Exchange a refresh token for a new pair of tokens; it can be used once."""
    return await tokens.refresh(payload.refresh_token)


@router.post("/logout", status_code=204)
@limiter.limit("default")
async def logout(request: Request, tokens: Tokens, payload: RefreshRequest) -> None:
    """Revoke a refresh token and all others of the same login."""
    await tokens.log_out(payload.refresh_token)


@router.get("/me", response_model=UserResponse)
@limiter.limit("default")
async def me(request: Request, session: DbSession, principal: CurrentUser) -> User:
    """Return the caller's account."""
    return await service.me(session, principal)
