"""Entry point of ``python benchmarks/foreign``."""

import sys

from command import main

sys.exit(main())
