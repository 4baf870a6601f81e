"""A fork waits for an import of ours: its child would wait for that thread, for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SECONDS = 240

FORKED = """
import os, signal, sys, threading
from dev_analytics.analytics import Analytics
from dev_analytics.delivery.settings import Delivery
from pathlib import Path

analytics = Analytics(Path(sys.argv[1]), delivery=Delivery())
launcher = analytics.pipeline.launcher
imports, forked = threading.Event(), threading.Event()
class Slow:
    # As a disk that takes its time, just when the user's thread forks.
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2] and threading.current_thread() is not threading.main_thread():
            imports.set()
            forked.wait(0.5)
sys.modules.pop(sys.argv[2], None)
sys.meta_path.insert(0, Slow())
launcher.start()
imports.wait()
child = os.fork()
if child == 0:
    signal.alarm(60)
    __import__(sys.argv[2])
    os._exit(0)
forked.set()
print(os.waitpid(child, 0)[1])
"""


def test_a_child_waits_for_no_import_of_its_parents_thread(tmp_path: Path) -> None:
    for module in ("ctypes", "dev_analytics.delivery.turns"):
        ran = subprocess.run(
            [sys.executable, "-c", FORKED, str(tmp_path), module],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (ran.stdout, ran.stderr) == ("0\n", ""), module
