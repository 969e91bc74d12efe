"""The augmentation settings of a run's configuration."""

import dataclasses
from typing import Any

from tinyscene.errors import ConfigError
from tinyscene.sections import choice, limited, section

ALL, EIGHT = "all", "eight"  # microphones: all of a folder, or `waveform.EIGHT_MICROPHONES`
MICROPHONES = (ALL, EIGHT)

SPECAUGMENT: dict[str, dict[str, Any]] = {
    "LD": {"frequency_masks": 2, "frequency_mask_width": 27, "time_masks": 2, "time_mask_width": 100},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation of training batches; 0 turns each off; see `augment.images`.

    Attributes:
        time_roll: largest shift in frames, either way.
        specaugment: name of a policy of Park et al., "SpecAugment", 2019, that sets the next four where they are not
            set; its time warp is omitted, and its widths are meant for the paper's 10 ms frames and 80 bands.
        frequency_masks, frequency_mask_width, time_masks, time_mask_width: number of stripes, and their largest width.
        impulse_responses: folder of WAV files, the impulse responses of microphones through which clips are heard;
            relative to the working directory. None: no microphones. `augment.waveform` explains this and the next six.
        microphones: "all" of them, or "eight", see `augment.waveform.EIGHT_MICROPHONES`.
        impulse_response_probability: probability that a clip is heard through one of them, each time it is used.
        time_stretch: share by which the tempo is changed, either way.
        time_stretch_probability: probability that the tempo is changed.
        pitch_shift: semitones by which the pitch is shifted, either way.
        pitch_shift_probability: probability that the pitch is shifted; at most one of the three changes a clip.
        gain: largest gain, dB either way.
        noise: largest standard deviation, in units of the standardised image.
        device_balance: 0 takes every clip once an epoch, 1 all devices equally often; see `images.balanced_rows`.
        mixup: alpha of the Beta distribution; 0: no mixup.
        freq_mixstyle: probability of changing a batch.
        freq_mixstyle_alpha: alpha of the Beta distribution.
    """

    time_roll: int = limited(0, low=0, high=10_000)
    specaugment: str | None = choice(None, among=tuple(SPECAUGMENT))
    frequency_masks: int = limited(0, low=0, high=100)
    frequency_mask_width: int = limited(8, low=1, high=10_000)
    time_masks: int = limited(0, low=0, high=100)
    time_mask_width: int = limited(8, low=1, high=10_000)
    impulse_responses: str | None = None
    microphones: str = choice(ALL, among=MICROPHONES)
    impulse_response_probability: float = limited(0.4, low=0, high=1)
    time_stretch: float = limited(0.0, low=0, high=0.5)
    time_stretch_probability: float = limited(0.2, low=0, high=1)
    pitch_shift: float = limited(0.0, low=0, high=12)
    pitch_shift_probability: float = limited(0.2, low=0, high=1)
    gain: float = limited(0.0, low=0, high=60)
    noise: float = limited(0.0, low=0, high=10)
    device_balance: float = limited(0.0, low=0, high=1)
    mixup: float = limited(0.0, low=0, high=100)
    freq_mixstyle: float = limited(0.0, low=0, high=1)
    freq_mixstyle_alpha: float = limited(0.3, low=0.01, high=100)


def read(place: str, table: Any) -> AugmentConfig:
    config = section(AugmentConfig, place, table)
    chances = (
        config.impulse_response_probability if config.impulse_responses is not None else 0,
        config.time_stretch_probability if config.time_stretch else 0,
        config.pitch_shift_probability if config.pitch_shift else 0,
    )
    if sum(chances) > 1 + 1e-9:
        raise ConfigError(f"the probabilities of {place} add up to {sum(chances):g}; let them be 1 at most")
    policy = SPECAUGMENT[config.specaugment] if config.specaugment else {}
    return dataclasses.replace(config, **{key: value for key, value in policy.items() if key not in table})
