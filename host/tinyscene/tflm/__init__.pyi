from . import generate as generate, packs as packs, verify as verify
