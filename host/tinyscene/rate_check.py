"""The former `python -m tinyscene.rate_check`, now the command `tinyscene frontend rates`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("frontend", "rates")
