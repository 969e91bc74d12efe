"""The command `tinyscene`: one thin function a verb; the work is in the module that each one names."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tinyscene import __version__
from tinyscene.console import console, error_console
from tinyscene.errors import ConfigError, TinysceneError

INTERRUPTED = 130  # what typer exits with after Ctrl-C

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
data_app = typer.Typer(no_args_is_help=True, help="Validate a data set, or make a synthetic one.")
device_app = typer.Typer(no_args_is_help=True, help="Talk to a board, real or emulated, over its serial port.")
packs_app = typer.Typer(no_args_is_help=True, help="CMSIS-Packs for firmware with TensorFlow Lite Micro.")
experiment_app = typer.Typer(no_args_is_help=True, help="Run the tables of the thesis, its figures beside ours.")
app.add_typer(data_app, name="data")
app.add_typer(experiment_app, name="experiment")
app.add_typer(device_app, name="device")
app.add_typer(packs_app, name="packs")

JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file as JSON.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")]
OptimizeOption = Annotated[
    str, typer.Option(help="memory, or speed: fewer instructions for more flash and RAM (docs/ENGINE.md).")
]
PortOption = Annotated[str, typer.Option(help="pyserial URL: /dev/ttyACM0, socket://127.0.0.1:PORT, ...")]
DataOption = Annotated[Path, typer.Option(help="Data set in the TAU layout (meta.csv, evaluation_setup, audio).")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Acoustic scene classification on microcontrollers: from a folder of clips to a board that answers."""
    if version:
        console.print(f"tinyscene {__version__}")
        raise typer.Exit


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing and how to get it."""
    from tinyscene import doctor

    raise typer.Exit(doctor.report())


@data_app.command("check")
def data_check(folder: Path, as_json: JsonOption = None) -> None:
    """Count scenes, devices, cities and folds, and list every defect with its line."""
    from tinyscene.data import check as dataset_check

    raise typer.Exit(dataset_check.report(folder, as_json))


@data_app.command("synth")
def data_synth(
    folder: Path,
    clips_per_scene: Annotated[int, typer.Option(min=10, help="Clips of each of the ten scenes.")] = 60,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 1,
) -> None:
    """Write a ten-scene data set made from DSP primitives, in the TAU layout."""
    from tinyscene.data import synth

    synth.write_dataset(folder, clips_per_scene=clips_per_scene, seed=seed)


@app.command("features")
def features_(
    data: Annotated[Path, typer.Argument(help="Data set in the TAU layout.")],
    split: Annotated[str | None, typer.Option(help="Only this list: a path, or a name in evaluation_setup.")] = None,
    preset: Annotated[str | None, typer.Option(help="Front end by name; default: p1.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Front end of this bundle.")] = None,
    config: Annotated[Path | None, typer.Option(help="Front end of this training run (TOML).")] = None,
    engine: Annotated[str, typer.Option(help="c: the firmware's front end compiled for the host; librosa.")] = "c",
    workers: WorkersOption = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler, tcp://HOST:8786, whose workers do it instead.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only measure how fast, beside plain librosa, on some clips.")
    ] = False,
    clips: Annotated[int, typer.Option(min=1, help="With --estimate: this many, evenly spread.")] = 200,
    as_json: JsonOption = None,
) -> None:
    """Compute the features of a data set ahead of training; the same command goes on with what is missing."""
    from tinyscene.bench import feature_speed
    from tinyscene.frontend import report as feature_report
    from tinyscene.training import frontend_choice

    if scheduler is not None and (estimate or workers is not None):
        raise ConfigError("--scheduler has workers of its own, elsewhere; leave --workers and --estimate, or it, away")
    frontend = frontend_choice.choose_frontend(preset, bundle, config)
    if estimate:
        feature_speed.report(data, split, frontend, clips, workers, as_json)
    else:
        feature_report.report(data, split, frontend, engine, workers, scheduler, as_json)


@app.command()
def train(
    config: Path,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Bundle to write, such as models/student.")],
    run: Annotated[Path | None, typer.Option(help="Folder of the run; default: runs/NAME of the bundle.")] = None,
    fold: Annotated[int | None, typer.Option(help="Train on this fold only, whatever the configuration says.")] = None,
) -> None:
    """Train, distil, quantise and bundle as CONFIG (TOML) says; the same command resumes an interrupted run."""
    from tinyscene.training import run as training_run

    training_run.run(config, data, out, run, fold)


@experiment_app.command("list")
def experiment_list() -> None:
    """List all tables and their rows."""
    from tinyscene.experiments import rows as experiment

    for table in experiment.tables():
        rows = experiment.find(table)
        console.print(f"{table}: {rows[0].table_title}", highlight=False)
        for row in rows:
            console.print(f"  {table}/{row.name}: {row.title}", highlight=False)


@experiment_app.command("run")
def experiment_run(
    name: Annotated[str, typer.Argument(help="A table, or one row of it: table/row.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the runs; the same command goes on there.")] = Path(
        "runs/experiments"
    ),
    impulse_responses: Annotated[
        Path | None, typer.Option(help="Folder of microphones' impulse responses (MicIRP), for rows that hear them.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Minutes of training a row: narrower teachers and fewer epochs; default: as the thesis."
        ),
    ] = None,
    as_json: JsonOption = None,
) -> None:
    """Train and score one row or a whole table, and print it with the thesis's figures; rows that are done stay."""
    from tinyscene.experiments import experiment_run

    experiment_run.report(name, data, impulse_responses, out, budget, as_json)


@app.command()
def search(
    config: Path,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the runs; the same command goes on there.")] = Path(
        "runs/search"
    ),
    figure: Annotated[Path | None, typer.Option(help="SVG file for the fronts.")] = None,
    as_json: JsonOption = None,
) -> None:
    """Try the networks that CONFIG (TOML) lists, in rounds, and print the front of accuracy, instructions and RAM."""
    from tinyscene.experiments import search_run

    search_run.report(config, data, out, as_json, figure)


@app.command()
def evaluate(
    bundle: Path,
    data: DataOption,
    split: Annotated[str, typer.Option(help="List in the TAU format: a path, or a name in evaluation_setup.")],
    frontend: Annotated[
        str, typer.Option(help="librosa, or c: the firmware's front end compiled for the host.")
    ] = "librosa",
    workers: WorkersOption = None,
    as_json: JsonOption = None,
) -> None:
    """Score a bundle's INT8 model on a list of clips with TensorFlow Lite's reference kernels, and say how fast."""
    from tinyscene.evaluation import scoring

    scoring.report(bundle, data, split, frontend, workers, as_json)


@app.command()
def card(bundle: Path) -> None:
    """Write the model card of a bundle again, from what its folder holds."""
    from tinyscene.training import model_card

    model_card.rewrite(bundle)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of a cross-validated run.")],
    run_b: Annotated[Path, typer.Argument(help="Folder of another one, on the same clips.")],
    data: DataOption,
    kind: Annotated[str, typer.Option(help="int8 or float predictions.")] = "int8",
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Leave the logits as they are: no temperature of the other folds.")
    ] = False,
    as_json: JsonOption = None,
) -> None:
    """Compare two runs clip by clip on what their folds were tested on, with intervals over locations."""
    from tinyscene.training import compare_runs

    compare_runs.report(run_a, run_b, data, kind, as_json, calibrate=not as_trained)


@app.command()
def microphones(
    run: Annotated[Path, typer.Argument(help="Folder of a cross-validated run.")],
    data: DataOption,
    impulse_responses: Annotated[Path, typer.Option(help="Folder of microphones' impulse responses (MicIRP).")],
    count: Annotated[int, typer.Option(min=1, help="Microphones to draw.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same microphones.")] = 1,
    as_json: JsonOption = None,
) -> None:
    """Score a run's test clips through microphones that its training did not hear, beside the clips as they are."""
    from tinyscene.experiments import unheard_microphones

    unheard_microphones.report(run, data, impulse_responses, count, seed, as_json)


@app.command("at-rate")
def at_rate(
    bundle: Path,
    rate: Annotated[int, typer.Argument(help="Hz, such as 41667, the fastest of the nRF52840's microphone interface.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
) -> None:
    """Write a bundle of the same network for sound sampled at another rate, without training."""
    from tinyscene.bundle import at_rate as at_rate_bundle

    at_rate_bundle.report(bundle, rate, out)


@app.command()
def complexity(
    model: Annotated[str, typer.Argument(help="A bundle, a .tflite file, or a network: baseline, teacher, student.")],
    as_json: JsonOption = None,
) -> None:
    """Count parameters and MACs, truly and by NeSsi's rule, per layer, and check the challenge's limits."""
    from tinyscene.compiler import complexity

    raise typer.Exit(complexity.report(model, as_json))


@app.command("compile")
def compile_(
    model: Path,
    out: Annotated[Path, typer.Option(help="Folder for the C sources.")],
    optimize: OptimizeOption = "memory",
) -> None:
    """Compile an INT8 .tflite model to C11 with a static arena, and print its memory plan."""
    from tinyscene.compiler import pipeline as compiler

    compiler.report(model, out, optimize)


@app.command()
def verify(
    model: Annotated[Path, typer.Argument(help="A .tflite file or a bundle.")],
    on: Annotated[str, typer.Option(help="host or mps2.")] = "host",
    vectors: Annotated[int, typer.Option(min=1, help="Random inputs to compare.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the inputs.")] = 1,
    optimize: OptimizeOption = "memory",
    runtime: Annotated[
        str, typer.Option(help="engine: the compiled C; tflm: TensorFlow Lite Micro, of the package tflite-micro.")
    ] = "engine",
    as_json: JsonOption = None,
) -> None:
    """Compare the compiled C, or TensorFlow Lite Micro, with TensorFlow Lite's reference kernels, byte for byte."""
    from tinyscene.compiler import verify
    from tinyscene.tflm import verify as verify_tflm

    if runtime not in ("engine", "tflm"):
        raise ConfigError(f"there is no runtime {runtime!r}; choose engine or tflm")
    if runtime == "engine":
        raise typer.Exit(verify.report(model, on, vectors, seed, as_json, optimize))
    if (on, optimize) != ("host", "memory"):
        raise ConfigError("TensorFlow Lite Micro is verified on the host and has no --optimize; leave --on and it away")
    raise typer.Exit(verify_tflm.report(model, vectors, seed, as_json))


@app.command()
def export(
    bundle: Path,
    out: Annotated[Path | None, typer.Option(help="Folder for the C sources; default: firmware/generated.")] = None,
    optimize: OptimizeOption = "memory",
    runtime: Annotated[str, typer.Option(help="engine, or tflm: TensorFlow Lite Micro.")] = "engine",
    kernels: Annotated[str, typer.Option(help="Of tflm: cmsis-nn, or tinyscene.")] = "cmsis-nn",
) -> None:
    """Generate the firmware's C (model, front end, labels, identity) from a bundle."""
    from tinyscene.firmware import export

    export.report(bundle, out, optimize, runtime, kernels)


@app.command()
def emulate(
    env: Annotated[
        str, typer.Argument(help="PlatformIO environment of a built image: mps2, nano33ble, mps2_tflm, ...")
    ],
    engine: Annotated[
        str | None, typer.Option(help="qemu (mps2), unicorn or renode (the boards); default: the first that can.")
    ] = None,
    port: Annotated[int, typer.Option(help="TCP port of the serial line; 0: any free one.")] = 0,
) -> None:
    """Boot the built image in an emulator, print the URL of its serial port, and run until Ctrl-C."""
    from tinyscene.device.emulators import emulate

    emulate.run(env, engine, port)


@device_app.command("info")
def device_info(
    port: PortOption,
    forget_crash: Annotated[bool, typer.Option("--forget-crash", help="Make it forget its last crash.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Ask a board what it is, which bundle it carries, and how it is: counters, self-test, last crash."""
    from tinyscene.device import monitor

    monitor.info(port, as_json, forget_crash)


@device_app.command("check")
def device_check(
    bundle: Annotated[
        Path | None, typer.Argument(help="The bundle that it should carry; default: the one exported last.")
    ] = None,
    port: Annotated[str | None, typer.Option(help="pyserial URL of the board; default: the only ST-LINK's.")] = None,
) -> None:
    """Ask a board that was flashed whether it runs the right bundle; exit code 3 where no port was found."""
    from tinyscene.device import check

    raise typer.Exit(check.report(bundle, port))


@device_app.command("stream")
def device_stream(
    port: PortOption,
    audio: Annotated[
        Path | None, typer.Option(help="Play this audio file to the board through the serial port.")
    ] = None,
    microphone: Annotated[bool, typer.Option("--microphone", help="Let the board listen to its microphone.")] = False,
    every: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds from a result to the next; default: clip after clip.")
    ] = None,
    smoothing: Annotated[int, typer.Option(help="Show the mean of so many results.")] = 1,
    reject: Annotated[int, typer.Option(min=0, max=100, help="Percent that the likeliest class must reach.")] = 0,
    gain: Annotated[float, typer.Option(help="Of the microphone, in dB beside the board's usual one.")] = 0.0,
    seconds: Annotated[float | None, typer.Option(help="Stop after this long.")] = None,
) -> None:
    """Show the class probabilities that a board streams, with its sound level and what it dropped."""
    from tinyscene.device import streaming

    wishes = streaming.Wishes(every, smoothing, reject, gain)
    streaming.stream(port, audio, microphone, wishes, seconds)


@device_app.command("classify")
def device_classify(port: PortOption, audio: Path) -> None:
    """Send one clip as audio and print the board's answer."""
    from tinyscene.device import monitor

    monitor.classify(port, audio)


@device_app.command("evaluate")
def device_evaluate(
    port: Annotated[list[str], typer.Option(help="pyserial URL of a board; repeated, the boards share out the clips.")],
    bundle: Annotated[Path, typer.Option(help="The bundle that the boards must carry.")],
    data: DataOption,
    split: Annotated[str, typer.Option(help="List in the TAU format: a path, or a name in evaluation_setup.")],
    mode: Annotated[str, typer.Option(help="features (INT8 images) or audio (PCM).")] = "features",
    limit: Annotated[int | None, typer.Option(min=1, help="Only this many clips, spread evenly over the list.")] = None,
    subset: Annotated[
        int | None,
        typer.Option(min=2, help="Only this many clips, stratified by scene, device and location; with intervals."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --subset: the same seed, the same clips.")] = 1,
    journal: Annotated[
        Path | None, typer.Option(help="Journal to resume from; default: beside the JSON, or in runs/.")
    ] = None,
    as_json: JsonOption = None,
    submission: Annotated[
        Path | None, typer.Option(help="Also write the answers as a DCASE 2022 task 1 submission (CSV).")
    ] = None,
    diff: Annotated[
        Path | None, typer.Option(help="Also run the host's INT8 kernels, and list here each clip that differs (TSV).")
    ] = None,
) -> None:
    """Score the very boards against a list of clips, over their serial ports; the same command resumes."""
    from tinyscene.device import evaluation

    evaluation.report(
        evaluation.Options(
            ports=port,
            bundle=bundle,
            data=data,
            split=split,
            mode=mode,
            limit=limit,
            subset=subset,
            seed=seed,
            journal=journal,
            as_json=as_json,
            submission=submission,
            diff=diff,
        )
    )


@device_app.command("verify")
def device_verify(
    port: PortOption,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that the board carries; default: found by its identity.")
    ] = None,
    as_json: JsonOption = None,
) -> None:
    """Run golden vectors through the board's front end and network, and say which stage differs first, if any."""
    from tinyscene.device import verification

    raise typer.Exit(verification.report(port, bundle, as_json))


@device_app.command("upload")
def device_upload(
    image: Annotated[Path, typer.Argument(help="Flat binary: .pio/build/nano33ble/firmware.bin.")],
    port: Annotated[str | None, typer.Option(help="Serial port of the board; default: the only one there is.")] = None,
    identity: Annotated[str | None, typer.Option(help="Of the bundle that the board must carry in the end.")] = None,
) -> None:
    """Write an Arduino Nano 33 BLE over its USB cable, compare, start it, and ask what it is."""
    from tinyscene.device import upload

    upload.report(image, port, identity)


@device_app.command("reboot")
def device_reboot(
    port: PortOption,
    bootloader: Annotated[bool, typer.Option("--bootloader", help="Into the boot loader, to be flashed.")] = False,
) -> None:
    """Start a board's firmware again, or its boot loader."""
    from tinyscene.device import monitor

    monitor.reboot(port, bootloader)


@device_app.command("profile")
def device_profile(
    port: PortOption,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that the board carries; default: found by its identity.")
    ] = None,
    predict: Annotated[
        bool, typer.Option("--predict", help="Also estimate the board's built image, as `tinyscene cycles` does.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the times to this PNG file.")] = None,
    as_json: JsonOption = None,
) -> None:
    """Have a board count what its front end and each layer of its network take."""
    from tinyscene.cycles import profile

    profile.report(port, bundle, predict, plot, as_json)


@app.command()
def bench(
    as_json: JsonOption = None,
    docs: Annotated[bool, typer.Option("--docs", help="Bring the figures in docs/RESULTS.md up to date.")] = False,
) -> None:
    """Count instructions, RAM and flash of networks on the emulated board, beside the peers."""
    from tinyscene.bench import run as bench_run

    bench_run.report(as_json, docs)


@app.command()
def cycles(
    bundle: Annotated[Path | None, typer.Argument(help="Build the images for this bundle first.")] = None,
    board: Annotated[str | None, typer.Option(help="stm32l496 or nano33ble; default: both.")] = None,
    as_json: JsonOption = None,
) -> None:
    """Estimate cycles and milliseconds of a clip on the boards, by running the built images on models of them."""
    from tinyscene.cycles import estimate

    estimate.report(bundle, board, as_json)


@packs_app.command("install")
def packs_install(
    place: Annotated[
        str | None,
        typer.Option("--from", help="Index (URL), or folder of .pack files or unpacked packs; default: their makers."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Install again what is there.")] = False,
    pin: Annotated[bool, typer.Option("--pin", help="Write the packs' hashes into packs.toml (maintainers).")] = False,
) -> None:
    """Bring the pinned packs into the user's cache, verified; the same command goes on with what is missing."""
    from tinyscene.tflm.packs import install

    install.run(place, force, pin)


@packs_app.command("list")
def packs_list() -> None:
    """Say which packs are installed, where from, and what was verified."""
    from tinyscene.tflm.packs import report as packs_report

    raise typer.Exit(packs_report.list_packs())


@packs_app.command("files")
def packs_files(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print sources, includes, defines and packs as JSON.")
    ] = False,
) -> None:
    """Print the files of the packs that make TensorFlow Lite Micro for a Cortex-M4."""
    from tinyscene.tflm.packs import report as packs_report

    packs_report.list_files(as_json)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Folder of a training run.")]) -> None:
    """Write one HTML page about a run: curves, confusion, tables, complexity, and the board's figures."""
    from tinyscene.report import page as report_page

    console.print(f"report: {report_page.write(run)}")


def main() -> None:
    """Run the command line; expected errors become one sentence and exit code 1, Ctrl-C exits with 130."""
    try:
        app()
    except TinysceneError as error:
        error_console.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            error_console.print("stopped; the same command goes on where it can")
        raise
