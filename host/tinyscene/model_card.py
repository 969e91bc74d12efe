"""The text of MODEL_CARD.md (to be written)."""


def write(bundle, settings):
    return "# card\n"
