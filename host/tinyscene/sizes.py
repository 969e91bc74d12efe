"""The former `python -m tinyscene.sizes`, now the command `tinyscene size`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("size")
