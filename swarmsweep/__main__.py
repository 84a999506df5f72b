"""``python -m swarmsweep``: see `swarmsweep.cli`."""

import sys

from swarmsweep.cli import main

sys.exit(main())
