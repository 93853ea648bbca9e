"""A cross-check: does a knock of the original client open the same door?"""

from __future__ import annotations

import base64
import shutil
import subprocess
import time

from tests.bench.site import ROUTER, SPA_PORT
from tests.bench.trial import Trial

_LIMIT = 3.0


def opens_with_real_client(trial: Trial) -> bool:
    """Knock with the program fwknop from outside; True where it is not installed."""
    program = shutil.which("fwknop")
    if program is None:
        return True
    visitor = next(trial.visitors)
    keys = trial.client.keys
    rc = trial.installation.folder / "fwknoprc"
    rc.touch(mode=0o600)
    rc.write_text(
        "[router]\n"
        f"KEY_BASE64 {base64.b64encode(keys.encryption_key or b'').decode()}\n"
        f"HMAC_KEY_BASE64 {base64.b64encode(keys.hmac_key or b'').decode()}\n"
        f"SPA_SERVER {ROUTER}\nSPA_SERVER_PORT {SPA_PORT}\nALLOW_IP {visitor}\nACCESS tcp/22\n"
        f"SPOOF_USER bench\n"
    )
    command = [program, "--rc-file", str(rc), "-n", "router", "--no-save-args"]
    environment = {"HOME": str(trial.installation.folder), "LOGNAME": "bench"}
    subprocess.run(command, env=environment, capture_output=True, timeout=10, check=True)
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        if trial.prober.is_open(visitor):
            return True
    return False
