"""What `python -m tinyscene.rate_check` did is the verb `tinyscene frontend rates` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("frontend", "rates")
