"""Request and response bodies of the auth endpoints."""

import unicodedata
import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.auth.models import Role
from app.auth.passwords import MAX_LENGTH, MIN_LENGTH, PATTERNS
from app.fields import Name, ReadOnly

# Control characters, and those that are not shown or change the direction of others.
_INVISIBLE = r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_CHARACTER = rf"[^@\s{_INVISIBLE}]"
# Only a sent message proves an address. This pattern catches typing errors.
_ADDRESS = rf"^\s*{_CHARACTER}+@{_CHARACTER}+\.{_CHARACTER}+\s*$"
_MAX_ADDRESS = 254


def _normalize_address(text: str) -> str:
    """Return an address in lower case and in NFC, so one address has one spelling.

    The length is checked afterwards again: letters such as U+0130 are longer in lower case.
    """
    composed = unicodedata.normalize("NFC", text.strip())
    address = unicodedata.normalize("NFC", composed.lower())
    if len(address) > _MAX_ADDRESS:
        raise ValueError(f"must have at most {_MAX_ADDRESS} characters, also in lower case")
    return address


Email = Annotated[
    str,
    Field(
        max_length=_MAX_ADDRESS,
        pattern=_ADDRESS,
        description="In any case; it is stored in lower case and Unicode NFC.",
        examples=["ann@example.com"],
    ),
    AfterValidator(_normalize_address),
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
