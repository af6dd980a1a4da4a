"""Access control for clinical records: only the therapist who created a record can see it.

- A record of another therapist is a 404, like one that does not exist, so ids reveal nothing.
- The roles patient and admin get a 403 from every clinical endpoint, before any query. An admin
  manages accounts and the service, which requires no access to patient data.
"""

from typing import Annotated

from fastapi import Depends, Request

from app.auth.dependencies import current_user
from app.auth.models import Role
from app.auth.tokens import Principal
from app.errors import Forbidden


async def current_therapist(request: Request) -> Principal:
    """Return the therapist who sent the request.

    Raises:
        Unauthorized: The request has no valid token.
        Forbidden: The account has another role.
    """
    principal = await current_user(request)
    if principal.role is not Role.THERAPIST:
        raise Forbidden("Clinical records require the role therapist.")
    return principal


Therapist = Annotated[Principal, Depends(current_therapist)]
