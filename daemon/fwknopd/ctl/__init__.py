"""The program fwknopctl: look after a running daemon, make keys, and knock.

One file per group of verbs; nothing of it is ever loaded by the daemon itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fwknopd import core_dumps
from fwknopd.ctl.arguments import parse
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import no_more_output, print_error

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run fwknopctl; returns the exit code: 0 done, 1 any error, 2 wrong usage.

    ``status`` has two more, see fwknopd.ctl.status.
    """
    core_dumps.forbid()
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except CtlError as error:
        print_error(error, as_json=options.json)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough, as `head` does.
        no_more_output()
        return 1
    return code
