# ruff: noqa: INP001 - a standalone script
"""Write random secrets to deploy/.env, for compose.yaml and for a Kubernetes Secret.

The file is readable by its owner only, and an existing one is kept: its passwords are those of the
databases that were created with them.
"""

import os
import secrets
import sys
from pathlib import Path

NAMES = (
    "POSTGRES_PASSWORD",  # superuser, used by no container but PostgreSQL's
    "OWNER_PASSWORD",  # owner of the tables: migrations and seed
    "SERVICE_PASSWORD",
    "OBSERVER_PASSWORD",  # reads statistics during load tests
    "REDIS_PASSWORD",
    "SECRET_KEY",  # signs access tokens
)
PATH = Path(__file__).with_name(".env")


def main() -> int:
    """Write the file; return 1 if it exists."""
    try:
        descriptor = os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stderr.write(f"{PATH} exists and is kept; remove it to replace all secrets\n")
        return 1
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={secrets.token_hex(32)}\n" for name in NAMES)
    sys.stdout.write(f"wrote {PATH}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
