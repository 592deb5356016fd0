"""The second door: `python ci doctor` runs the package beside this file without installing it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from mlci.__main__ import main

sys.exit(main())
