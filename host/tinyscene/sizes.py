"""What `python -m tinyscene.sizes` did is the verb `tinyscene size` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("size")
