from . import check as check, doubts as doubts, synth as synth
from .clip_audio import (
    NATIVE_RATE as NATIVE_RATE,
    at_rate as at_rate,
    check_samples as check_samples,
)
from .clip_list import Clip as Clip, read_list as read_list
from .dataset import (
    SCENES as SCENES,
    Dataset as Dataset,
    location_disjoint_split as location_disjoint_split,
    location_disjoint_subsets as location_disjoint_subsets,
    pcm16 as pcm16,
    read_clip as read_clip,
)
from .resampling import PASSBAND as PASSBAND, resample as resample
from .spread import evenly_spread as evenly_spread
