"""What users are shown."""
