"""Patients: each belongs to the one therapist who made it."""
