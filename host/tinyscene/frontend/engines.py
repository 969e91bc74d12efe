"""What computes log-mel images of clips: the firmware's C, compiled for this machine, or librosa."""

import functools
import hashlib
import importlib.metadata
import threading

import numpy as np
from numpy.typing import NDArray

from tinyscene.errors import ConfigError
from tinyscene.frontend import config as frontend, host
from tinyscene.frontend.config import FrontendConfig

C, LIBROSA = "c", "librosa"
ENGINES = {C: "the firmware's C front end", LIBROSA: "librosa"}
DEFAULT = C  # the same features as on the board, and faster


@functools.lru_cache(maxsize=64)
def identity(config: FrontendConfig, engine: str) -> str:
    """Return a name, fit for a folder, of all that determines an image: the engine, its code and the configuration.

    Raises:
        ConfigError: no such engine, or the configuration is beyond it.
    """
    if engine not in ENGINES:
        raise ConfigError(f"no front end {engine!r}; choose one of {', '.join(ENGINES)}")
    if engine == C:
        return f"c-{host.digest(config)}"
    words = f"{importlib.metadata.version('librosa')} {config.digest}"
    return f"librosa-{hashlib.sha256(words.encode()).hexdigest()[:16]}"


def prepare(config: FrontendConfig, engine: str) -> None:
    """Compile and load what `log_mel` needs, so that anything missing is reported before the work begins.

    Raises:
        ConfigError: as for `identity`.
        ToolError: there is no C compiler.
    """
    identity(config, engine)
    log_mel(np.zeros(config.clip_samples, np.int16), config, engine)


def log_mel(pcm: NDArray[np.int16], config: FrontendConfig, engine: str) -> NDArray[np.float32]:
    """Return the log-mel image [n_mels, frames] of PCM16 [clip_samples]; threads may call it at the same time.

    Raises:
        ConfigError, ToolError: as for `prepare`.
    """
    if engine == C:
        return _host_frontend(config, threading.get_ident()).log_mel(pcm)
    return frontend.log_mel(pcm / 32768, config)


@functools.lru_cache(maxsize=64)
def _host_frontend(config: FrontendConfig, _thread: int) -> host.HostFrontend:
    """Return the C front end of one thread: each thread has its own working memory."""
    return host.HostFrontend(config)
