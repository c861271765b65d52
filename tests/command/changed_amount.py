"""The sample's driver, but the first payment is a cent more. Run at the top of the repository; takes run.py's arguments."""

import sys

sys.path.insert(0, "examples/payment")

import run  # noqa: E402  (it is found by the path set above)
import scenario  # noqa: E402

(id, customer, amount, captured), *others = scenario.PAYMENTS
scenario.PAYMENTS = ((id, customer, amount + 1, captured), *others)
sys.exit(run.main())
