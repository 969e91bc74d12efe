"""What `python -m tinyscene.frontend_check` did is the verb `tinyscene frontend check` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("frontend", "check")
