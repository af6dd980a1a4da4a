"""Who may see clinical records: the therapist who made them, and nobody else.

- Another therapist's record is a 404, exactly as one that does not exist, so ids tell nothing.
- Accounts with the role patient or admin are a 403 on every clinical endpoint, before anything is
  looked up. An admin runs accounts and the service; that takes no look into a patient's file.
"""

from typing import Annotated

from fastapi import Depends

from app.auth.dependencies import require_role
from app.auth.models import Role
from app.auth.tokens import Principal

Therapist = Annotated[Principal, Depends(require_role(Role.THERAPIST))]
