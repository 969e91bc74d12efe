"""Entry point of `python -m tinyscene`."""

from tinyscene.cli import main

main()
