"""Patients. Each belongs to the therapist who created it."""
