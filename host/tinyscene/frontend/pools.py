"""Worker processes of this machine, or of a Dask cluster on several, with a bounded amount of work submitted."""

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from typing import TypeVar

from joblib.externals.loky import ProcessPoolExecutor

from tinyscene.errors import ToolError
from tinyscene.workers import end_with

ANSWER_SECONDS = 10  # time for a scheduler to answer
WORKER_SECONDS = 30  # time for a cluster to get its first worker
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Item = TypeVar("Item")
Result = TypeVar("Result")


def unordered(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[Result]:
    """Yield function(item) for all items, in any order, as the results are ready.

    Workers never run ahead of a slow reader by more than `at_once` results. The workers of joblib's generators do, and
    would fill the memory.

    Args:
        executor: executor from `processes` or `cluster`.
        function: function at a module's top level, so that it can be sent to a worker.
        items: work items, taken only when they can be submitted.
        at_once: largest number of items that are submitted and not yet yielded.
    """
    items = iter(items)
    pending: set[Future[Result]] = set()
    while True:
        pending |= {executor.submit(function, item) for item in itertools.islice(items, at_once - len(pending))}
        if not pending:
            return
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """Provide worker processes of this machine, one thread each; they end with this process, whatever ends it.

    joblib.Parallel does not share them. An exception in the block, Ctrl-C included, ends them at once.

    Raises:
        ToolError: a worker was killed.
    """
    executor = ProcessPoolExecutor(count, initializer=end_with, initargs=(os.getpid(),), env=ONE_THREAD)
    try:
        yield executor
    except BaseException as error:
        executor.shutdown(kill_workers=True)
        if isinstance(error, BrokenExecutor):
            raise ToolError(
                "a worker process was killed, perhaps for lack of memory; to resume, run the same command with fewer "
                "--workers"
            ) from error
        raise
    executor.shutdown()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Provide the workers of a Dask cluster; workers may join later, and the work of those that leave is done again.

    If all workers have left, the work waits for new ones.

    Args:
        address: address of its scheduler, tcp://HOST:8786.

    Raises:
        ToolError: Dask is not installed, no scheduler answers, it has no workers, or they cannot run our code.
    """
    try:
        import distributed
    except ImportError as error:
        raise ToolError("Dask is not installed; in the checkout of tinyscene: pip install '.[distributed]'") from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # else it prints tracebacks of what we raise
    try:
        client = distributed.Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ToolError(
            f"no Dask scheduler answers at {address!r} ({_reason(error)}); start one with: dask scheduler"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise ToolError(
                f"the scheduler at {address} has no workers; start some with: dask worker {address}"
            ) from error
        try:
            yield client.get_executor(pure=False)
        except (ImportError, OSError, CancelledError, distributed.KilledWorker) as error:
            raise ToolError(
                f"the cluster of {address} gave up ({_reason(error)}); see that all of it runs with the same tinyscene "
                "and enough memory; run the same command to resume"
            ) from error


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
