"""Fit the coefficients of tinyscene.compiler.estimate to layers counted on the emulated board, and write estimate.toml.

    python tests/tools/fit_estimate.py

Least squares of relative errors, no coefficient below zero; prints how far off the estimates of each kernel then are.
"""

import argparse
from collections import defaultdict

import numpy as np
import tomli_w
from scipy.optimize import nnls

import estimate_layers
import instruction_counts
from tinyscene import files
from tinyscene.compiler import estimate

HEADER = (
    "# Instructions of each part of a kernel on a Cortex-M4; written by tests/tools/fit_estimate.py, do not edit.\n"
)


def main() -> None:
    """Measure, fit, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="layers of every recipe")
    layers = estimate_layers.layers(parser.parse_args().rounds, seed=1)
    measured = instruction_counts.count(layers)
    samples = defaultdict(list)
    for layer, number in zip(layers, measured, strict=True):
        (call,) = layer.calls
        if call.function not in estimate.TERMS:
            raise SystemExit(f"error: no entry for {call.function} in estimate.TERMS; write what its loops do there")
        samples[call.function].append((estimate.counts(layer.planned, call), number))
    fitted = {}
    for function, rows in sorted(samples.items()):
        names = list(rows[0][0])
        matrix = np.array([[terms[name] / number for name in names] for terms, number in rows])
        used = matrix.max(axis=0)
        scales = np.where(used > 0, used, 1)
        solution, _ = nnls(matrix / scales, np.ones(len(rows)))
        fitted[function] = {name: round(float(c), 3) for name, c in zip(names, solution / scales, strict=True) if c > 0}
        errors = np.abs(matrix @ (solution / scales) - 1)
        print(
            f"{function:26} {len(rows):4} layers, off by {errors.mean():6.1%} on average, {errors.max():6.1%} at most"
        )
    files.write_text(estimate.COEFFICIENTS, HEADER + tomli_w.dumps(fitted))


if __name__ == "__main__":
    main()
