"""Boards, real and emulated: `tinyscene emulate` and `tinyscene device`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tinyscene.cli.options import (
    OUT_FILE,
    BundleArgument,
    DataOption,
    FormerBundle,
    JsonOption,
    PortOption,
    SplitOption,
    boards_like,
    bundle_option,
    file_such_as,
    former_bundle,
)

SOUND = "a sound file (WAV, FLAC, ...)"

app = typer.Typer(no_args_is_help=True, help="Talk to a board, real or emulated, over its serial port.")


def emulate(
    board: Annotated[
        str,
        typer.Argument(
            help="Board, or an image of it, that was built: mps2, nano33ble, mps2_tflm, ...", autocompletion=boards_like
        ),
    ],
    emulator: Annotated[
        Literal["qemu", "unicorn", "renode"] | None,
        typer.Option(help="qemu (mps2), unicorn or renode (the boards); default: the first that knows BOARD."),
    ] = None,
    tcp_port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port of the serial line; 0: any free one.")] = 0,
) -> None:
    """Boot the built image in an emulator, print the URL of its serial port, and run until Ctrl-C."""
    from tinyscene.device.emulators import emulate

    emulate.run(board, emulator, tcp_port)


@app.command("info")
def device_info(
    port: PortOption,
    forget_crash: Annotated[bool, typer.Option("--forget-crash", help="Make the board forget its last crash.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Ask a board what it is, which bundle it carries, and for its health: counters, self-test, last crash."""
    from tinyscene.device import monitor

    monitor.info(port, as_json, forget_crash)


@app.command("crash")
def device_crash(
    port: PortOption,
    elf: Annotated[
        Path | None, typer.Option(help="The image that was flashed; default: the built one that the board names.")
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Make the board forget the crash.")] = False,
    as_json: JsonOption = None,
) -> None:
    """Show a board's last crash with its reason, and the function and line where it was."""
    from tinyscene.device import crash_places

    crash_places.report(port, elf, forget, as_json)


@app.command("check")
def device_check(
    bundle: Annotated[
        Path | None, bundle_option("The bundle that it should carry; default: the one exported last.")
    ] = None,
    port: Annotated[str | None, typer.Option(help="pyserial URL of the board; default: the only ST-LINK's.")] = None,
    former: FormerBundle = None,
) -> None:
    """Check that a flashed board runs the right bundle; exit code 3 if no port was found."""
    from tinyscene.device import check

    former_bundle(former)
    raise typer.Exit(check.report(bundle or former, port))


@app.command("stream")
def device_stream(
    port: PortOption,
    audio: Annotated[
        Path | None,
        typer.Option(help="Play this audio file to the board through the serial port.", callback=file_such_as(SOUND)),
    ] = None,
    microphone: Annotated[bool, typer.Option("--microphone", help="Let the board listen to its microphone.")] = False,
    every: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds from one result to the next; default: clip after clip.")
    ] = None,
    smoothing: Annotated[int, typer.Option(help="Show the mean of this many results.")] = 1,
    reject: Annotated[int, typer.Option(min=0, max=100, help="Percent that the most probable class must reach.")] = 0,
    gain: Annotated[float, typer.Option(help="Gain of the microphone, in dB relative to the usual.")] = 0.0,
    seconds: Annotated[float | None, typer.Option(help="Stop after this long.")] = None,
) -> None:
    """Show the class probabilities that a board streams, with its sound level and what it dropped."""
    from tinyscene.device import streaming

    wishes = streaming.Wishes(every, smoothing, reject, gain)
    streaming.stream(port, audio, microphone, wishes, seconds)


@app.command("classify")
def device_classify(
    port: PortOption,
    audio: Annotated[Path, typer.Argument(help="The clip: a sound file.", callback=file_such_as(SOUND))],
) -> None:
    """Send one clip as audio and print the board's prediction."""
    from tinyscene.device import monitor

    monitor.classify(port, audio)


@app.command("evaluate")
def device_evaluate(
    port: Annotated[list[str], typer.Option(help="pyserial URL of a board; several boards share the clips.")],
    bundle: BundleArgument,
    data: DataOption,
    split: SplitOption,
    mode: Annotated[
        Literal["features", "audio"], typer.Option(help="What is sent: features (INT8 images) or audio (PCM).")
    ] = "features",
    clips: Annotated[int | None, typer.Option(min=1, help="Only this many clips, spread evenly over the list.")] = None,
    subset: Annotated[
        int | None,
        typer.Option(min=2, help="Only this many clips, stratified by scene, device and location; with intervals."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of --subset: same seed, same clips.")] = 1,
    journal: Annotated[
        Path | None, typer.Option(help="Journal to resume from; default: next to the JSON, or in runs/.")
    ] = None,
    as_json: JsonOption = None,
    submission: Annotated[
        Path | None,
        typer.Option(help="Also write the predictions as a DCASE 2022 task 1 submission (CSV).", callback=OUT_FILE),
    ] = None,
    diff: Annotated[
        Path | None,
        typer.Option(
            help="Also run the host's INT8 kernels, and list each clip that differs here (TSV).", callback=OUT_FILE
        ),
    ] = None,
) -> None:
    """Score boards on a list of clips, over their serial ports; the same command resumes."""
    from tinyscene.device import evaluation

    evaluation.report(
        evaluation.Options(
            ports=port,
            bundle=bundle,
            data=data,
            split=split,
            mode=mode,
            limit=clips,
            subset=subset,
            seed=seed,
            journal=journal,
            as_json=as_json,
            submission=submission,
            diff=diff,
        )
    )


@app.command("verify")
def device_verify(
    port: PortOption,
    bundle: Annotated[
        Path | None, bundle_option("The bundle that the board carries; default: found by its identity.")
    ] = None,
    as_json: JsonOption = None,
) -> None:
    """Run golden vectors through the board's front end and network, and report the first stage that differs, if any."""
    from tinyscene.device import verification

    raise typer.Exit(verification.report(port, bundle, as_json))


@app.command("upload")
def device_upload(
    image: Annotated[Path, typer.Argument(help="Flat binary: .pio/build/nano33ble/firmware.bin.")],
    port: Annotated[str | None, typer.Option(help="Serial port of the board; default: the only one there is.")] = None,
    identity: Annotated[str | None, typer.Option(help="Identity of the bundle that the board must then carry.")] = None,
) -> None:
    """Write an image to an Arduino Nano 33 BLE over its USB cable, compare it, start it, and ask what it is."""
    from tinyscene.device.nano import upload

    upload.report(image, port, identity)


@app.command("reboot")
def device_reboot(
    port: PortOption,
    bootloader: Annotated[bool, typer.Option("--bootloader", help="Start the boot loader, for flashing.")] = False,
) -> None:
    """Restart a board's firmware, or start its boot loader."""
    from tinyscene.device import monitor

    monitor.reboot(port, bootloader)


@app.command("profile")
def device_profile(
    port: PortOption,
    bundle: Annotated[
        Path | None, bundle_option("The bundle that the board carries; default: found by its identity.")
    ] = None,
    predict: Annotated[
        bool, typer.Option("--predict", help="Also estimate the board's built image, as `tinyscene cycles` does.")
    ] = False,
    figure: Annotated[Path | None, typer.Option(help="Draw the times to this PNG file.", callback=OUT_FILE)] = None,
    as_json: JsonOption = None,
) -> None:
    """Have a board measure the time of its front end and of each layer of its network."""
    from tinyscene.cycles import profile

    profile.report(port, bundle, predict, figure, as_json)
