"""Feed the compiler damaged models: `python tests/tools/fuzz_compiler.py --first 0 --count 20000 --compare 20`.

Each case must end in a ModelError of one line or in C, within its time and memory. With --compare N, every Nth of those
that still compile runs under the sanitizers, on the bytes of TensorFlow Lite where that takes it. A case repeats by its
number; what fails is saved in build/failed.
"""

import argparse
import collections
import json
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sanitised
from tflite_mutations import mutated
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.pipeline import emit, plan_model
from tinyscene.compiler.verify import model_inputs
from tinyscene.errors import ModelError
from tinyscene.paths import REPOSITORY

FAILED = REPOSITORY / "build" / "failed"
SECONDS = 60  # for one case: far more than any needs
MEMORY = 1 << 30  # bytes, on top of what Python and TensorFlow take
SMALL = 1 << 20  # bytes and products of models that are run
VECTORS = 3
BATCH = 40


class OutOfTime(BaseException):
    """The watchdog."""


def _watch() -> None:
    def bark(_signal: int, _frame: Any) -> None:
        raise OutOfTime

    signal.signal(signal.SIGALRM, bark)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def outcome(model: bytes) -> CompiledModel | str:
    """Compile in memory: the model, or "refused"; any other end is an exception."""
    signal.alarm(SECONDS)
    try:
        compiled = plan_model(model)
        emit(compiled)
    except ModelError as error:
        message = str(error)
        assert message.startswith("the model"), message
        assert len(message.splitlines()) == 1, message
        assert len(message) < 600, message
        return "refused"
    finally:
        signal.alarm(0)
    return compiled


class Accepted(NamedTuple):
    """A case that compiles: its number, the damaged file, the plan, and inputs [N, ...]."""

    number: int
    model: bytes
    compiled: CompiledModel
    inputs: np.ndarray


def is_small(compiled: CompiledModel) -> bool:
    """Return whether a model may be run in passing."""
    sizes = compiled.report()
    return max(sizes.arena_bytes, sizes.input_bytes, sizes.output_bytes, sum(s.macs for s in sizes.layers)) <= SMALL


def fuzz(first: int, count: int, every: int) -> dict[str, Any]:
    """Run cases; return how they ended."""
    mutated(first)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    _watch()
    tally: collections.Counter[str] = collections.Counter()
    failures, accepted = [], []
    for case in range(first, first + count):
        model = mutated(case)
        try:
            found = outcome(model)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failures.append(f"{_saved(case, model)}: {type(error).__name__} {error}")
            continue
        tally["refused" if found == "refused" else "compiled"] += 1
        if isinstance(found, CompiledModel) and every and is_small(found) and tally["compiled"] % every == 0:
            accepted.append(Accepted(case, model, found, model_inputs(found, VECTORS, seed=case)))
    resource.setrlimit(resource.RLIMIT_AS, limits)
    for start in range(0, len(accepted), BATCH):
        failures += compare(accepted[start : start + BATCH], tally)
    return {**tally, "failures": failures}


def _saved(case: int, model: bytes) -> str:
    """Keep a file that shows a fault, and say which case it is and where."""
    FAILED.mkdir(parents=True, exist_ok=True)
    path = FAILED / f"fuzz-{case}.tflite"
    path.write_bytes(model)
    return f"case {case} (saved as {path})"


def compare(cases: list[Accepted], tally: collections.Counter[str]) -> list[str]:
    """Run cases under the sanitizers and with TensorFlow Lite; return what is wrong."""
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models, inputs = [case.compiled for case in cases], [case.inputs for case in cases]
        try:
            outputs = sanitised.run(models, inputs, sanitised.build_engine(folder), folder)
        except AssertionError as error:
            if len(cases) == 1:
                return [f"{_saved(cases[0].number, cases[0].model)}: {str(error)[:3000]}"]
            half = len(cases) // 2
            return compare(cases[:half], tally) + compare(cases[half:], tally)
        tally["run under the sanitizers"] += len(cases)
        for position, case in enumerate(cases):
            (folder / f"{position}.tflite").write_bytes(case.model)
            np.save(folder / f"{position}.in.npy", case.inputs)
        _reference(folder, len(cases))
        for position, case in enumerate(cases):
            path = folder / f"{position}.out.npy"
            expected = np.load(path) if path.exists() else None
            if expected is None or expected.size == 0:
                tally["not taken by TensorFlow Lite"] += 1
                continue
            tally["compared with TensorFlow Lite"] += 1
            if outputs[position].tobytes() != expected.tobytes():
                failures.append(f"{_saved(case.number, case.model)}: other bytes than TensorFlow Lite's")
    return failures


def _reference(folder: Path, count: int) -> None:
    """Run TensorFlow Lite in a process of its own, which models may crash; then go on after the one that did."""
    done = 0
    while done < count:
        command = [sys.executable, __file__, "--reference", str(folder), "--first", str(done), "--count", str(count)]
        subprocess.run(command, check=False, capture_output=True)
        done = max(done, *(int(path.name.split(".")[0]) for path in folder.glob("*.begun")), 0) + 1


def run_reference(folder: Path, first: int, count: int) -> None:
    """Write the outputs of TensorFlow Lite for models that lie in a folder; empty ones where it refuses."""
    from tinyscene.networks.conversion import _interpreter

    for position in range(first, count):
        (folder / f"{position}.begun").touch()
        outputs = []
        try:
            interpreter = _interpreter((folder / f"{position}.tflite").read_bytes())
            source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
            for vector in np.load(folder / f"{position}.in.npy"):
                interpreter.set_tensor(source["index"], vector.reshape(source["shape"]))
                interpreter.invoke()
                outputs.append(interpreter.get_tensor(sink["index"]).reshape(-1))
        except (ModelError, ValueError, RuntimeError):
            outputs = []
        np.save(folder / f"{position}.out.npy", np.array(outputs))


def main() -> int:
    """Run from the command line; prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--compare", type=int, default=0, metavar="N")
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.reference:
        run_reference(given.reference, given.first, given.count)
        return 0
    result = fuzz(given.first, given.count, given.compare)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
