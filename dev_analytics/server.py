"""The extension of a Jupyter server: no question is saved with a notebook."""

from __future__ import annotations

from typing import Any

from dev_analytics.consent.saving import leave_out_question


def load(app: Any) -> None:
    """Load the extension into the server `app`."""
    app.contents_manager.register_pre_save_hook(leave_out_question)
