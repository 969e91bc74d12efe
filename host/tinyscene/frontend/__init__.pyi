from . import (
    cache as cache,
    config as config,
    engines as engines,
    features as features,
    golden as golden,
    host as host,
    mps2 as mps2,
    pools as pools,
    report as report,
    signals as signals,
    tables as tables,
)
from .config import FrontendConfig as FrontendConfig
from .engines import LIBROSA as LIBROSA
from .features import FeatureImages as FeatureImages, clip_pcm as clip_pcm
from .host import HostFrontend as HostFrontend
from .preset_names import Preset as Preset
from .report import choose_clips as choose_clips
from .scaling import Normalisation as Normalisation, Quantisation as Quantisation, measured as measured
from .stage import Stage as Stage
from .variant import Signal as Signal, Variant as Variant
