from . import feature_speed as feature_speed, run as run
