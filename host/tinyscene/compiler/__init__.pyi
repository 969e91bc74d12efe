from . import (
    complexity as complexity,
    execution as execution,
    operators as operators,
    pipeline as pipeline,
    reader as reader,
    verify as verify,
)
from .complexity import MAX_MACS as MAX_MACS, MAX_PARAMETERS as MAX_PARAMETERS
from .graph import Graph as Graph
from .pipeline import Optimize as Optimize, model_path as model_path, plan_model as plan_model
from .verify import make_inputs as make_inputs, named as named
