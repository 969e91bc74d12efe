"""The whole chain over the wire: a small bundle, built by PlatformIO, booted in QEMU, asked through its serial port."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from elftools.elf.elffile import ELFFile

import link_soak
from clean_checkout import CleanCheckout
from images import seal, with_flipped_bit
from noisy_line import NoisyLine
from tiny_bundle import tiny_bundle
from tinyscene.bundle.bundle import Bundle
from tinyscene.cycles import profile
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.device import health, monitor, streaming, verification
from tinyscene.device.board import Board
from tinyscene.device.emulators.emulator import Emulator
from tinyscene.device.evaluation import Options, report
from tinyscene.device.link import Link
from tinyscene.device.messages import Inference, parse_probabilities
from tinyscene.errors import LinkError
from tinyscene.evaluation import metrics
from tinyscene.firmware import stack_usage
from tinyscene.frontend import features
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.host import HostFrontend
from tinyscene.networks import conversion

# Small, as a byte takes long on the emulated line: an eighth of a second, 440 features.
CONFIG = FrontendConfig(
    sample_rate=22050, clip_samples=5512, n_fft=1024, win_length=1024, hop_length=512, n_mels=40, top_db=80.0
)
CLIPS = 10
SPLIT = "fold1_evaluate"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A small network of random weights."""
    return tiny_bundle("small", frontend=CONFIG, classes=SCENES)


@pytest.fixture(scope="module")
def folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle on disk."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.save(folder, "card")
    return folder


@pytest.fixture(scope="module")
def checkout(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> CleanCheckout:
    """A copy of this checkout with the image built, so that the user's own build stays as it is."""
    checkout = CleanCheckout(tmp_path_factory.mktemp("checkout"))
    checkout.run("run", "-e", "mps2", TINYSCENE_BUNDLE=str(folder))
    return checkout


@pytest.fixture(scope="module")
def image(checkout: CleanCheckout) -> Path:
    """The built image."""
    return checkout.built("mps2")


@pytest.fixture
def emulator(image: Path) -> Iterator[Emulator]:
    """The image, running."""
    with Emulator(image) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips of coloured noise in the TAU layout, as long as the bundle's."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(2)
    (root / "audio").mkdir()
    (root / "evaluation_setup").mkdir()
    lines = ["filename\tscene_label"]
    for number, scene in enumerate(SCENES[:CLIPS]):
        name = f"audio/{scene}-lyon-{number}-1-{'abs'[number % 3]}.wav"
        noise = np.cumsum(generator.normal(0, 10.0 ** (-1 - number / 4), 2 * CONFIG.clip_samples))
        soundfile.write(root / name, noise - np.linspace(0, noise[-1], len(noise)), 44100, subtype="PCM_24")
        lines.append(f"{name}\t{scene}")
    (root / "evaluation_setup" / f"{SPLIT}.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def images(data: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Log-mel images of all clips, [CLIPS, n_mels, frames]."""
    dataset = Dataset(data)
    cache = tmp_path_factory.mktemp("cache")
    store = features.extract(dataset, list(dataset.list(SPLIT)), bundle.frontend, engine="librosa", cache=cache)
    return np.asarray(store.images)


def answers_of(journal: Path) -> list[Inference]:
    """Return the board's answers in a journal, in the order of the list."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    lines.sort(key=lambda line: SCENES.index(Path(line["clip"]).name.split("-")[0]))
    return [Inference(np.array(line["outputs"], np.int8), line["model_us"]) for line in lines]


def test_emulate_prints_its_url_and_leaves_nothing(checkout: CleanCheckout, bundle: Bundle) -> None:
    """The command prints a URL that answers; when it is asked to end, QEMU ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyscene", "emulate", "mps2"],
        env=os.environ | {"PYTHONPATH": str(checkout.folder / "host")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("socket://127.0.0.1:")
        for _ in range(2):  # one client after the other
            with Link(url) as link:
                assert Board(link, bundle.identity).info.bundle == "small"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))


def test_info(emulator: Emulator, bundle: Bundle, tmp_path: Path) -> None:
    """The board says what the bundle says."""
    monitor.info(emulator.url, tmp_path / "info.json")
    about = json.loads((tmp_path / "info.json").read_text())
    assert (about["board"], about["identity"], tuple(about["labels"])) == ("mps2", bundle.identity, bundle.classes)
    assert (about["mels"], about["frames"], about["clip_samples"]) == (*CONFIG.shape, CONFIG.clip_samples)
    assert np.float32(about["output_scale"]) == np.float32(bundle.output.scale)
    assert about["output_zero_point"] == bundle.output.zero_point
    assert about["output_kind"] == "logits"
    assert re.fullmatch(r"[0-9a-f]{12} gcc [0-9.]+", about["build"])


def test_reboot(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The board answers, starts anew, and is found again; into a boot loader that it lacks it refuses to go."""
    with Link(emulator.url) as link:
        for _ in range(5):
            before = Board(link).statistics()
    monitor.reboot(emulator.url, False)
    assert "mps2 restarted; it carries bundle small" in capsys.readouterr().out
    with Link(emulator.url) as link:
        assert Board(link).statistics().frames_ok < before.frames_ok
    with pytest.raises(LinkError, match="refused REBOOT"):
        monitor.reboot(emulator.url, True)


def test_features_mode_equals_the_reference_kernels(
    emulator: Emulator, bundle: Bundle, folder: Path, data: Path, images: np.ndarray, tmp_path: Path
) -> None:
    """Every output byte of every clip is that of TensorFlow Lite's reference kernels, and so are the scores."""
    journal, result = tmp_path / "j.jsonl", tmp_path / "device.json"
    report(
        Options(
            ports=[emulator.url],
            bundle=folder,
            data=data,
            split=SPLIT,
            journal=journal,
            as_json=result,
            diff=tmp_path / "diff.tsv",
        )
    )
    host = conversion.run_reference(bundle.model, bundle.quantised_features(images))
    assert len({tuple(row) for row in host.tolist()}) > CLIPS // 2, "the clips should not all look the same"
    answers = answers_of(journal)
    assert [answer.outputs.tolist() for answer in answers] == host.tolist()
    scores = json.loads(result.read_text())
    assert scores["emulated"]
    assert scores["host"] == {"clips": CLIPS, "identical": CLIPS, "same_class": CLIPS, "max_abs_diff": 0}
    assert len((tmp_path / "diff.tsv").read_text().splitlines()) == 1
    devices = [clip.device for clip in Dataset(data).list(SPLIT)]
    assert scores | metrics.score(SCENES[:CLIPS], bundle.probabilities(host), devices, SCENES) == scores


def test_audio_mode_equals_the_front_end_on_the_host(
    emulator: Emulator, bundle: Bundle, folder: Path, data: Path, tmp_path: Path
) -> None:
    """The board's own features, from PCM, are those of the same C on the host, and so are the answers."""
    report(
        Options(
            ports=[emulator.url],
            bundle=folder,
            data=data,
            split=SPLIT,
            mode="audio",
            limit=3,
            journal=tmp_path / "j.jsonl",
        )
    )
    frontend = HostFrontend(CONFIG, bundle.normalisation, bundle.input)
    pcm = [features.clip_pcm(data / f"audio/{SCENES[k]}-lyon-{k}-1-{'abs'[k % 3]}.wav", CONFIG) for k in (0, 3, 6)]
    heard = np.stack([frontend.features(samples) for samples in pcm])
    answers = answers_of(tmp_path / "j.jsonl")
    assert [answer.outputs.tolist() for answer in answers] == conversion.run_reference(bundle.model, heard).tolist()
    with Link(emulator.url) as link:
        assert (Board(link).read_features() == heard[-1]).all()


def test_restart_on_the_way(
    emulator: Emulator,
    folder: Path,
    data: Path,
    images: np.ndarray,
    bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The emulator restarts between two clips and within one; nothing is lost, nothing asked twice in the journal."""
    classify, request = Board.classify_features, Link.request
    clips = requests = 0

    def restarting(self: Board, image: np.ndarray) -> Inference:
        nonlocal clips
        clips += 1
        if clips == 3:
            emulator.restart()
        return classify(self, image)

    def cut(self: Link, *arguments: object, **options: object) -> bytes:
        nonlocal requests
        requests += 1
        if requests == 30:
            emulator.restart()
        return request(self, *arguments, **options)

    monkeypatch.setattr(Board, "classify_features", restarting)
    monkeypatch.setattr(Link, "request", cut)
    report(Options(ports=[emulator.url], bundle=folder, data=data, split=SPLIT, journal=tmp_path / "j.jsonl"))
    answers = answers_of(tmp_path / "j.jsonl")
    host = conversion.run_reference(bundle.model, bundle.quantised_features(images))
    assert [answer.outputs.tolist() for answer in answers] == host.tolist()


def test_two_boards_share_out_the_clips(
    image: Path, folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is killed while it has a clip, and started again: nothing is lost, nothing counted twice, and it rejoins."""
    names = (data / "evaluation_setup" / f"{SPLIT}.csv").read_text().splitlines()[1:]
    request = Link.request
    killed, rejoined = threading.Event(), threading.Event()

    with Emulator(image) as steady, Emulator(image) as shaky:

        def cut(self: Link, *arguments: object, **options: object) -> bytes:
            """Kill the one in the middle of its second clip; keep the other from doing all the rest meanwhile."""
            if self.url == shaky.url and self.requests == 9 and not killed.is_set():
                shaky.stop()
                killed.set()
            elif self.url == shaky.url and killed.is_set():
                rejoined.set()
            elif self.url == steady.url and self.requests == 9:
                assert killed.wait(30)
                shaky.start()
                assert rejoined.wait(30)
            return request(self, *arguments, **options)

        monkeypatch.setattr(Link, "request", cut)
        report(
            Options(
                ports=[steady.url, shaky.url],
                bundle=folder,
                data=data,
                split=SPLIT,
                journal=tmp_path / "j.jsonl",
                as_json=tmp_path / "device.json",
                diff=tmp_path / "diff.tsv",
                submission=tmp_path / "submission.csv",
            )
        )
    assert killed.is_set()
    assert rejoined.is_set()
    lines = [json.loads(line) for line in (tmp_path / "j.jsonl").read_text().splitlines()[1:]]
    assert sorted(line["clip"] for line in lines) == sorted(name.split("\t")[0] for name in names)
    result = json.loads((tmp_path / "device.json").read_text())
    assert result["host"] == {"clips": CLIPS, "identical": CLIPS, "same_class": CLIPS, "max_abs_diff": 0}
    assert sum(about["clips"] for about in result["boards"].values()) == CLIPS
    assert {about["board"] for about in result["boards"].values()} == {"mps2"}
    assert len((tmp_path / "submission.csv").read_text().splitlines()) == 1 + CLIPS


def test_a_noisy_line(emulator: Emulator, bundle: Bundle, images: np.ndarray) -> None:
    """One byte in a hundred hurt on the way to the emulated board and back; it is reset now and then in mid-frame."""
    inputs = bundle.quantised_features(images)
    expected = conversion.run_reference(bundle.model, inputs).tolist()

    def question(number: int) -> Callable[[Board], bool]:
        return lambda board: board.classify_features(inputs[number]).outputs.tolist() == expected[number]

    trouble = replace(link_soak.ONE_PERCENT, seed=3, reset_every=3000)
    with NoisyLine(emulator.url, trouble, emulator.reset) as line:
        tally = link_soak.soak(line, [question(number) for number in range(CLIPS)], requests=150, seed=3)
    assert tally.wrong == 0
    assert tally.answers > 0
    assert tally.resets > 0


def test_journal_resumes(emulator: Emulator, folder: Path, data: Path, tmp_path: Path) -> None:
    """A second run asks the board only for what the first has not answered."""
    report(Options(ports=[emulator.url], bundle=folder, data=data, split=SPLIT, limit=4, journal=tmp_path / "j.jsonl"))
    with Link(emulator.url) as link:
        assert Board(link).statistics().inferences == 4
    report(
        Options(
            ports=[emulator.url],
            bundle=folder,
            data=data,
            split=SPLIT,
            journal=tmp_path / "j.jsonl",
            as_json=tmp_path / "device.json",
        )
    )
    with Link(emulator.url) as link:
        assert Board(link).statistics().inferences == CLIPS
    assert json.loads((tmp_path / "device.json").read_text())["clips"] == CLIPS


def test_board_with_another_bundle_is_refused(emulator: Emulator, bundle: Bundle, data: Path, tmp_path: Path) -> None:
    """The same model with its classes in another order is another bundle."""
    other = replace(bundle, classes=bundle.classes[::-1])
    other.save(tmp_path / "other", "card")
    with pytest.raises(LinkError) as error:
        report(
            Options(
                ports=[emulator.url], bundle=tmp_path / "other", data=data, split=SPLIT, journal=tmp_path / "j.jsonl"
            )
        )
    assert other.identity in str(error.value)
    assert bundle.identity in str(error.value)
    assert not (tmp_path / "j.jsonl").exists()


def test_classify_and_stream(
    emulator: Emulator, bundle: Bundle, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clip's probabilities are printed; streamed, each clip of a file gives a line with the same, rounded."""
    clips = sorted((data / "audio").iterdir())[:2]
    pcm = [features.clip_pcm(clip, CONFIG) for clip in clips]
    frontend = HostFrontend(CONFIG, bundle.normalisation, bundle.input)
    heard = np.stack([frontend.features(samples) for samples in pcm])
    probabilities = bundle.probabilities(conversion.run_reference(bundle.model, heard))

    monitor.classify(emulator.url, clips[0])
    *lines, times = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        [SCENES[k], f"{probabilities[0][k]:.1%}"] for k in np.argsort(-probabilities[0], kind="stable")
    ]
    assert times.startswith("front end ")

    soundfile.write(tmp_path / "two.wav", np.concatenate(pcm), CONFIG.sample_rate, subtype="PCM_16")
    streaming.stream(emulator.url, tmp_path / "two.wav", False, streaming.Wishes(), None)
    *lines, about = capsys.readouterr().out.splitlines()
    streamed = [parse_probabilities(line) for line in lines[::2]]
    assert len(streamed) == 2
    assert about.startswith(f"# scene={SCENES[probabilities[1].argmax()]} level=-")
    assert about.endswith(" dropped=0")
    for line, row in zip(streamed, probabilities, strict=True):
        assert line is not None
        assert tuple(line) == SCENES
        assert np.allclose(list(line.values()), row, atol=0.0051)


def test_every_stage_of_the_board_is_the_hosts(
    emulator: Emulator, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Golden vectors over the wire: near librosa, with the bits of the C here, and TensorFlow Lite's outputs."""
    assert verification.report(emulator.url, folder, tmp_path / "verified.json") == 0
    assert "mps2 agrees at every stage" in capsys.readouterr().out
    result = json.loads((tmp_path / "verified.json").read_text())
    assert (result["agrees"], result["bits_compared"], result["emulated"]) == (True, True, True)
    by_stage = {stage["stage"]: stage for stage in result["stages"]}
    assert list(by_stage) == list(verification.LOOK_AT)
    assert by_stage["outputs"]["equal"] == 1
    assert by_stage["features"]["equal"] > 0.999


def test_profile(emulator: Emulator, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The emulated board has a clock too, though not a processor's: every layer took some of its time."""
    profile.report(emulator.url, folder, False, None, tmp_path / "profile.json")
    assert "mps2 is emulated" in capsys.readouterr().out
    lines = json.loads((tmp_path / "profile.json").read_text())["lines"]
    assert [line["name"] for line in lines] == ["front end", "CONV_2D", "MEAN", "FULLY_CONNECTED"]
    assert all(0 < line["ticks"] < 25_000_000 for line in lines)


@pytest.mark.parametrize(("table", "stage"), [("twiddles", "spectrum"), ("mel_weights", "mel")])
def test_a_board_with_one_wrong_number_is_told_its_stage(
    image: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, stage: str
) -> None:
    """The very image, with one float of a table a hundredth too large and a checksum that agrees."""
    with image.open("rb") as stream:
        file = ELFFile(stream)
        (symbol,) = file.get_section_by_name(".symtab").get_symbol_by_name(table)
        section = file.get_section(symbol["st_shndx"])
        start = section["sh_offset"] + symbol["st_value"] - section["sh_addr"]
    content = bytearray(image.read_bytes())
    values = np.frombuffer(content, "<f4", symbol["st_size"] // 4, start)
    values[len(values) // 2] *= np.float32(1.01)
    (tmp_path / "wrong.elf").write_bytes(content)
    seal(tmp_path / "wrong.elf")
    with Emulator(tmp_path / "wrong.elf") as emulator:
        assert verification.report(emulator.url, folder, None) == 1
    assert f"the first stage that differs is {stage}: " in capsys.readouterr().out


def test_the_stack_stays_within_what_was_computed(emulator: Emulator, folder: Path, image: Path, data: Path) -> None:
    """After every request: the mark left on the stack is below the bound, and not far below."""
    verification.report(emulator.url, folder, None)
    streaming.stream(emulator.url, next((data / "audio").iterdir()), False, streaming.Wishes(), None)
    with Link(emulator.url) as link:
        health.last_crash(link)
        tested = health.self_test(link)
    usage = stack_usage.of_image(image)
    assert tested is not None
    assert tested.stack_bytes == usage.available
    assert usage.program / 2 < tested.stack_used <= usage.total < usage.available
    assert usage.fault < 512  # what startup_fault_entry sees to


def test_a_damaged_bundle_is_told(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`device info` says that nothing can be computed and what to do, and shows all else."""
    (tmp_path / "damaged.elf").write_bytes(with_flipped_bit(image, 0.5))
    with Emulator(tmp_path / "damaged.elf") as emulator:
        with pytest.raises(LinkError, match=r"bundle in its flash is damaged.*flash it again"):
            monitor.info(emulator.url, tmp_path / "info.json")
        with pytest.raises(LinkError, match=r"refused INFO: .*damaged \(status 8\)"), Link(emulator.url) as link:
            Board(link)
    assert re.search("bundle is whole +│ False", capsys.readouterr().out)
    about = json.loads((tmp_path / "info.json").read_text())
    assert about["self_test"]["bundle_is_whole"] is False
    assert about["statistics"]["inferences"] == 0
    assert "identity" not in about


def test_journal_of_another_board_is_refused(emulator: Emulator, folder: Path, data: Path, tmp_path: Path) -> None:
    """A journal started on another board is not continued on this one."""
    report(Options(ports=[emulator.url], bundle=folder, data=data, split=SPLIT, limit=1, journal=tmp_path / "j.jsonl"))
    text = (tmp_path / "j.jsonl").read_text()
    (tmp_path / "j.jsonl").write_text(text.replace('"board": "mps2"', '"board": "stm32l496"'))
    with pytest.raises(Exception, match="another board"):
        report(
            Options(ports=[emulator.url], bundle=folder, data=data, split=SPLIT, limit=1, journal=tmp_path / "j.jsonl")
        )
