"""The former `python -m tinyscene.golden`, now the command `tinyscene frontend golden`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("frontend", "golden")
