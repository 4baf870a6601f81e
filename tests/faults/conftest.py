"""What the tests of faults take from those of delivery: who is a sender."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "delivery"))
