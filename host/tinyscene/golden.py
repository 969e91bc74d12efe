"""What `python -m tinyscene.golden` did is the verb `tinyscene frontend golden` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("frontend", "golden")
