from . import at_rate as at_rate, bundle as bundle, out_of_fold as out_of_fold
from .bundle import (
    CARD_FILE as CARD_FILE,
    DESCRIPTION_FILE as DESCRIPTION_FILE,
    MODEL_FILE as MODEL_FILE,
    Bundle as Bundle,
)
from .probabilities import softmax as softmax
