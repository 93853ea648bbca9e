"""``fwknopctl metrics``: the daemon in numbers, for Prometheus and its like."""

from __future__ import annotations

import sys
from argparse import Namespace

from fwknopd.ctl.answers import text
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.output import print_json
from fwknopd.keys import generate_token, token_digest
from fwknopd.openmetrics import plain


def show_metrics(options: Namespace) -> int:
    """The verb ``metrics``. The text is UTF-8 whatever the terminal speaks, as scrapers want it."""
    if options.new_token:
        return _show_token(options)
    answer = ask(options, "metrics", by_client=options.by_client)
    told = plain(text(answer, "text")) if options.plain else text(answer, "text")
    if options.json:
        print_json({**answer, "text": told})
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(told.encode("utf-8", "backslashreplace"))
    return 0


def _show_token(options: Namespace) -> int:
    token = generate_token()
    digest = token_digest(token)
    if options.json:
        print_json({"token": token, "metrics_token_sha256": digest})
    else:
        print(f"Token: {token}\nMETRICS_TOKEN_SHA256 {digest}")
    return 0
