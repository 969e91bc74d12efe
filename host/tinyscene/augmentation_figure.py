"""The former `python -m tinyscene.augmentation_figure`, now the command `tinyscene experiment augmentations`."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("experiment", "augmentations")
