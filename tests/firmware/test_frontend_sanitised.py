"""The front end under AddressSanitizer and UndefinedBehaviorSanitizer, on signals at the ends of what PCM16 holds."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from frontend_cases import SMALL, noise_clip

from tinyscene.frontend import config as frontend_config, host as frontend_host, signals
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.scaling import Normalisation, Quantisation
from tinyscene.toolchain import native

FLAGS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CONFIGS = {
    "p1": frontend_config.preset("p1"),
    "dcase2022": frontend_config.preset("dcase2022"),
    "short window": FrontendConfig(**{**SMALL, "win_length": 31, "top_db": 20.0}),
    "odd window without centring": FrontendConfig(**{**SMALL, "win_length": 255, "center": False, "window": "hamming"}),
    "clip shorter than a frame": FrontendConfig(**{**SMALL, "clip_samples": 150}),
    "two points": FrontendConfig(**{**SMALL, "n_fft": 2, "win_length": 1, "hop_length": 7}),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_no_step_leaves_its_memory_or_overflows(name, tmp_path):
    config = CONFIGS[name]
    tables = Normalisation((-40.0,) * config.n_mels, (13.0,) * config.n_mels), Quantisation(0.04, -7)
    code = frontend_host.sources(config, *tables, tmp_path)
    sources = [Path(__file__).with_name("frontend_sanitised.c"), *code.sources]
    includes = [f"-I{folder}" for folder in code.include]
    program = tmp_path / "program"
    command = [
        *native.host_compiler(),
        *native.C_FLAGS,
        *FLAGS,
        *includes,
        *map(str, sources),
        "-lm",
        "-o",
        str(program),
    ]
    subprocess.run(command, check=True)
    clips = np.stack([noise_clip(config), *signals.clips(config).values()])
    run = subprocess.run([program], input=clips.tobytes(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()[:2000]
    host = HostFrontend(config, *tables)
    expected = np.stack([host.features(clip) for clip in clips])
    np.testing.assert_array_equal(np.frombuffer(run.stdout, np.int8).reshape(expected.shape), expected)
