"""What `python -m tinyscene.tflm.compare` did is the verb `tinyscene compare-runtimes` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("compare-runtimes")
