"""`/api/v1/auth`: accounts and tokens."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from app.auth import service
from app.auth.dependencies import CurrentUser
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
from app.middleware.rate_limit import by_account, by_address, limiter

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


def token_service(request: Request, session: DbSession) -> TokenService:
    """The service of this request."""
    state = request.app.state
    return TokenService(session, state.access_tokens, state.settings.refresh_token_ttl_s)


Tokens = Annotated[TokenService, Depends(token_service)]


def _login_key(request: Request, arguments: Mapping[str, Any]) -> str:
    return by_account(arguments["credentials"].email, by_address(request, arguments))


@router.post("/signup", status_code=201, response_model=UserResponse)
@limiter.limit("signup", key=by_address)
async def signup(request: Request, session: DbSession, account: SignupRequest) -> User:
    """Make an account, as therapist or patient."""
    return await service.sign_up(session, account)


@router.post("/login")
@limiter.limit("login", key=_login_key)
async def login(request: Request, tokens: Tokens, credentials: LoginRequest) -> TokenResponse:
    """Tokens for e-mail address and password."""
    return await tokens.log_in(credentials)


@router.post("/refresh")
@limiter.limit("default")
async def refresh(request: Request, tokens: Tokens, given: RefreshRequest) -> TokenResponse:
    """New tokens for a refresh token, which is spent by this."""
    return await tokens.refresh(given.refresh_token)


@router.post("/logout", status_code=204)
@limiter.limit("default")
async def logout(request: Request, tokens: Tokens, given: RefreshRequest) -> None:
    """Revoke a refresh token and all that descend from the same login."""
    await tokens.log_out(given.refresh_token)


@router.get("/me", response_model=UserResponse)
@limiter.limit("default")
async def me(request: Request, session: DbSession, principal: CurrentUser) -> User:
    """The caller's account."""
    return await service.me(session, principal)
