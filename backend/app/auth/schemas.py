"""Request and response bodies of the auth endpoints."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.auth.models import Role
from app.auth.passwords import MAX_LENGTH
from app.fields import Name, reject_nul

# Only a sent message proves an address. This pattern catches typing errors.
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
    AfterValidator(reject_nul),
    AfterValidator(str.lower),
]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SignupRequest(BaseModel):
    """A new account. Administrators cannot sign up."""

    email: Email
    password: SecretStr
    full_name: Name
    role: Literal[Role.THERAPIST, Role.PATIENT] = Role.THERAPIST


class LoginRequest(BaseModel):
    """Credentials."""

    email: Email
    password: Annotated[SecretStr, Field(max_length=MAX_LENGTH)]


class RefreshRequest(BaseModel):
    """A refresh token to exchange or revoke."""

    refresh_token: Token


class UserResponse(BaseModel):
    """An account without its password hash."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    full_name: str
    role: Role
    created_at: datetime


class TokenResponse(BaseModel):
    """A pair of tokens; `expires_in` is the lifetime of the access token in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 -- a token type, not a token
    expires_in: int
