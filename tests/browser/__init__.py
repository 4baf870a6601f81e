"""A package, so that server and Chromium end with the last test of this folder."""
