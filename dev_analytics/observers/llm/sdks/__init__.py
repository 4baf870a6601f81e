"""The SDKs whose calls are seen: one module each."""
