"""The report: statistics of an archive or an event log, as text, HTML, CSV and fields."""
