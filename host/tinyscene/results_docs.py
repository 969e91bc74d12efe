"""The former `python -m tinyscene.results_docs`, now the command `tinyscene results`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("results")
