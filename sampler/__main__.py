"""Started as ``python3 -m sampler``, in the folder that holds the package."""

import sys

from sampler.main import main

sys.exit(main())
