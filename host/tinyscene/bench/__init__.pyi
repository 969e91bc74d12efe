from . import (
    feature_speed as feature_speed,
    frontend_check as frontend_check,
    rate_check as rate_check,
    run as run,
    tflm_compare as tflm_compare,
)
