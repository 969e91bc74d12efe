"""The former `python -m tinyscene.tflm.compare`, now the command `tinyscene compare-runtimes`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("compare-runtimes")
