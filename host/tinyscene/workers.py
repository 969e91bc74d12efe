"""What a worker process must do so that stopping the command stops everything quietly."""

import functools
import os
import signal
import threading
import time


@functools.cache
def end_with(parent: int) -> None:
    """Make this worker process end when its parent does, whatever ended the parent, and leave Ctrl-C to the parent.

    Without it a worker whose parent was killed would continue, or wait forever for its results to be read.

    Args:
        parent: process number of the command that the user started.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
