"""`python -m rollbook` is `rollbook`."""

from __future__ import annotations

import sys

from rollbook.cli import main

if __name__ == "__main__":
    sys.exit(main())
