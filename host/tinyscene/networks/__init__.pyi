from . import catalogue as catalogue, conversion as conversion, distribution as distribution
from .backend import BACKEND as BACKEND, keras as keras
from .conversion import (
    convert as convert,
    convert_untrained as convert_untrained,
    input_of as input_of,
    run_reference as run_reference,
    run_reference_tensors as run_reference_tensors,
)
from .kinds import ACTIVATIONS as ACTIVATIONS, NETWORKS as NETWORKS, check_options as check_options
