"""What maintainers run on what users sent: questions, dashboards, the public page, forgetting."""
