from . import (
    ablation as ablation,
    compare_runs as compare_runs,
    config as config,
    duration as duration,
    examples as examples,
    fit as fit,
    fold_predictions as fold_predictions,
    model_card as model_card,
    part as part,
    parts as parts,
    provenance as provenance,
    run as run,
    run_files as run_files,
    run_folder as run_folder,
    scores as scores,
)
from .ablation import FULL as FULL
from .config import (
    ALL as ALL,
    CROSS_VALIDATE as CROSS_VALIDATE,
    STUDENT_FOLDERS as STUDENT_FOLDERS,
    NetworkConfig as NetworkConfig,
    RunConfig as RunConfig,
    TeacherConfig as TeacherConfig,
)
from .examples import Examples as Examples, normalise as normalise
from .fold_predictions import TestedFold as TestedFold
from .parts import Part as Part, Run as Run
from .scores import CALIBRATED as CALIBRATED
