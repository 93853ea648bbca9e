"""``python -m fwknopd.ctl`` is fwknopctl."""

import sys

from fwknopd.ctl import main

sys.exit(main())
