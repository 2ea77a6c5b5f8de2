"""Fixtures that more than one room of tests uses; helpers are in `tests/support.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
