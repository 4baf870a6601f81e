"""The SDKs whose calls are recorded, one module each."""
