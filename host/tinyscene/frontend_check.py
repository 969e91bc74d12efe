"""The former `python -m tinyscene.frontend_check`, now the command `tinyscene frontend check`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("frontend", "check")
