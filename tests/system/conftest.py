"""Fixtures of the tests that build and run the firmware."""

import pytest

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> CleanCheckout:
    """A checkout whose models/student is small; nothing built.

    Its path has every sign that a shell reads but the space, which makes quoting programs quote the rest, too.
    """
    checkout = CleanCheckout(tmp_path_factory.mktemp("checkout") / "it's(1)&[b]")
    tiny_bundle().save(checkout.folder / "models" / "student", "# card\n")
    return checkout


@pytest.fixture(scope="session")
def first_run(checkout: CleanCheckout) -> str:
    """What the first `pio run` printed; then all boards are built."""
    return checkout.run("run")
