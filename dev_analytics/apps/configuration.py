"""IPython's configuration of a new session with the default profile, read outside of any session.

IPython's own application would create folders and parse the command's arguments as its own.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

from dev_analytics.apps.autoload import ipython_folder

_LOADERS: Final = (PyFileConfigLoader, "py"), (JSONFileConfigLoader, "json")


def read_configuration() -> tuple[Config, list[str]]:
    """Return what the files set, and a line for each file that failed and was skipped."""
    config, failures = Config(), []
    # What a file prints is not part of the command's output.
    with contextlib.redirect_stdout(sys.stderr):
        for folder in _folders():
            for loader, ending in _LOADERS:
                name = f"ipython_config.{ending}"
                try:
                    config.merge(loader(name, str(folder)).load_config())
                except ConfigFileNotFound:
                    continue
                except Exception as error:
                    failures.append(f"{folder / name} is left out: {error!r}")
    return config, failures


def _folders() -> Iterator[Path]:
    """Yield the folders of configuration; a later one overrides an earlier one."""
    from IPython.core.application import SYSTEM_CONFIG_DIRS

    yield from map(Path, reversed(SYSTEM_CONFIG_DIRS))
    yield Path(sys.prefix) / "etc" / "ipython"
    with contextlib.suppress(RuntimeError):  # there is no home
        yield ipython_folder() / "profile_default"
