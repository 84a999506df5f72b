"""Program that loads a scenario once, as Locust will: ``python check_scenario.py MODE SECONDS SCENARIO FILE...``.

loadgen/check/program.py describes the report.
"""

import sys

from loadgen.check.program import main

if __name__ == "__main__":
    main(sys.argv[0], sys.argv[1:])
