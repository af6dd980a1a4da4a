"""Made-up accounts, patients, sessions and notes, to develop and to measure against."""
