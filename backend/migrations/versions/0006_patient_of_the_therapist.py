"""Require that the patient of a session belongs to the therapist of the session."""

from alembic import op
from alembic.util import CommandError

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SHOWN = 10
_VIOLATIONS = f"""
    SELECT session.id, session.therapist_id, patient.id, patient.therapist_id, count(*) OVER ()
    FROM sessions AS session JOIN patients AS patient ON patient.id = session.patient_id
    WHERE session.therapist_id <> patient.therapist_id
    ORDER BY session.created_at, session.id LIMIT {_SHOWN}
"""  # noqa: S608 -- made of constants
_FOREIGN_KEY = "fk_sessions_patient_id_patients"


def _check_rows() -> None:
    found = op.get_bind().exec_driver_sql(_VIOLATIONS).all()
    if not found:
        return
    count = found[0][-1]
    lines = [
        f"  session {session} of therapist {therapist}: patient {patient} of therapist {owner}"
        for session, therapist, patient, owner, _ in found
    ]
    if count > len(found):
        lines.append(f"  and {count - len(found)} more")
    raise CommandError(
        f"{count} session{'s belong' if count > 1 else ' belongs'} to another therapist than the"
        " patient. Nothing was changed. Correct therapist_id or patient_id of these rows, or delete"
        " them, then upgrade again:\n" + "\n".join(lines)
    )


def upgrade() -> None:
    # No row may be added between the check and the constraint.
    op.execute("LOCK TABLE patients, sessions IN SHARE ROW EXCLUSIVE MODE")
    _check_rows()
    op.create_unique_constraint(op.f("uq_patients_id"), "patients", ["id", "therapist_id"])
    op.drop_constraint(op.f(_FOREIGN_KEY), "sessions", type_="foreignkey")
    op.create_foreign_key(
        op.f(_FOREIGN_KEY),
        "sessions",
        "patients",
        ["patient_id", "therapist_id"],
        ["id", "therapist_id"],
        ondelete="RESTRICT",
    )


def downgrade() -> None:
    op.drop_constraint(op.f(_FOREIGN_KEY), "sessions", type_="foreignkey")
    op.create_foreign_key(
        op.f(_FOREIGN_KEY), "sessions", "patients", ["patient_id"], ["id"], ondelete="RESTRICT"
    )
    op.drop_constraint(op.f("uq_patients_id"), "patients", type_="unique")
