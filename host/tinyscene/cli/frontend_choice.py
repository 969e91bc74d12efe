"""The front end that a command's options name: that of a preset, a bundle, or a run's configuration."""

from pathlib import Path

from tinyscene.bundle import Bundle
from tinyscene.errors import ConfigError
from tinyscene.frontend import FrontendConfig, config as frontend_config

DEFAULT_PRESET = "p1"


def choose_frontend(preset: str | None, bundle: Path | None, config: Path | None) -> FrontendConfig:
    """Return the front end that one of the three names; if all are None, the preset p1.

    Raises:
        TinysceneError: more than one is given, or the named thing is missing or damaged.
    """
    if sum(choice is not None for choice in (preset, bundle, config)) > 1:
        raise ConfigError("--preset, --bundle and --config each name a front end; choose one of them")
    if bundle is not None:
        return Bundle.load(bundle).frontend
    if config is not None:
        from tinyscene.training import config as configuration  # which the others do not need

        return configuration.load(config).frontend
    return frontend_config.preset(preset or DEFAULT_PRESET)
