"""The report: what an archive or an event log holds, counted; as text, HTML, CSV and fields."""
