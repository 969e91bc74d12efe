"""What `python -m tinyscene.augmentation_figure` did is the verb `tinyscene experiment augmentations` now."""

from tinyscene.cli import moved

if __name__ == "__main__":
    moved("experiment", "augmentations")
