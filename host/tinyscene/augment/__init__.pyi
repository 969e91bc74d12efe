from . import (
    images as images,
    lists as lists,
    recordings as recordings,
    settings as settings,
    variants as variants,
    waveform as waveform,
)
from .lists import Recording as Recording
from .settings import ALL as ALL, EIGHT as EIGHT, SPECAUGMENT as SPECAUGMENT, AugmentConfig as AugmentConfig
from .variants import Images as Images, VariantGroup as VariantGroup
from .waveform import (
    EIGHT_MICROPHONES as EIGHT_MICROPHONES,
    Microphone as Microphone,
    impulse_responses as impulse_responses,
    microphones as microphones,
)
