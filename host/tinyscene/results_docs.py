"""What `python -m tinyscene.results_docs` did is the verb `tinyscene results` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("results")
