"""Who may see clinical records: the therapist who made them, and nobody else.

- Another therapist's record is a 404, exactly as one that does not exist, so ids tell nothing.
- Accounts with the role patient or admin are a 403 on every clinical endpoint, before anything is
  looked up. An admin runs accounts and the service; that takes no look into a patient's file.
"""

from typing import Annotated

from fastapi import Depends, Request

from app.auth.dependencies import current_user
from app.auth.models import Role
from app.auth.tokens import Principal
from app.errors import Forbidden


async def therapist_of(request: Request) -> Principal:
    """The therapist who is asking.

    Raises:
        Unauthorized: The request has no valid token.
        Forbidden: The account is no therapist's.
    """
    principal = await current_user(request)
    if principal.role is not Role.THERAPIST:
        raise Forbidden("Clinical records are for their therapist alone.")
    return principal


Therapist = Annotated[Principal, Depends(therapist_of)]
