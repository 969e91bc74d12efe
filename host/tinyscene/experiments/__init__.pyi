from . import (
    augmentation_figure as augmentation_figure,
    experiment_run as experiment_run,
    rows as rows,
    search_report as search_report,
    search_run as search_run,
    unheard_microphones as unheard_microphones,
)
