"""Request and response bodies of the auth endpoints."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.auth.models import Role
from app.auth.passwords import MAX_LENGTH, MIN_LENGTH, PATTERNS
from app.fields import Name, ReadOnly

# Only a sent message proves an address. This pattern catches typing errors.
_EMAIL = r"^\s*[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]+\s*$"
Email = Annotated[
    str,
    Field(
        max_length=254,
        pattern=_EMAIL,
        description="In any case; it is stored in lower case.",
        examples=["ann@example.com"],
    ),
    AfterValidator(str.strip),
    AfterValidator(str.lower),
]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]
NewPassword = Annotated[
    SecretStr,
    Field(
        description="12 to 256 characters, among them an upper-case letter, a lower-case letter, a"
        " digit and a special character.",
        json_schema_extra={
            "minLength": MIN_LENGTH,
            "maxLength": MAX_LENGTH,
            "allOf": [{"pattern": pattern} for pattern in PATTERNS],
        },
        examples=["correct Horse 7 battery!"],
    ),
]


class SignupRequest(BaseModel):
    """A new account. Administrators cannot sign up."""

    email: Email
    password: NewPassword
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

    id: ReadOnly[uuid.UUID]
    email: str
    full_name: str
    role: Role
    created_at: ReadOnly[datetime]


class TokenResponse(BaseModel):
    """A pair of tokens; `expires_in` is the lifetime of the access token in seconds."""

    access_token: Annotated[str, Field(description="Send it as `Authorization: Bearer ...`.")]
    refresh_token: Annotated[str, Field(description="Can be exchanged once for a new pair.")]
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 -- a token type, not a token
    expires_in: int
