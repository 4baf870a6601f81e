"""What maintainers do with users' records: questions, dashboards, the public page, forgetting."""
