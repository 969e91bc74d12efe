from .app import main as main, moved as moved
