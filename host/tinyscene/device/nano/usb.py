"""What an Arduino Nano 33 BLE, BLE Sense or a Rev2 of either may be on the USB: programs and boot loaders by product.

The numbers are those of the boards.txt of Arduino's cores: 005a, 805a, 015a and 025a in ArduinoCore-mbed; 035a first,
065a since, in ArduinoCore-zephyr. Arduino's sketch Nano33_updateBLandSoftDevice moves the boot loader to the end of the
flash, so that Nordic's SoftDevice, MicroPython or OpenMV fit before it; it starts programs at 0x10000 as before.
"""

import dataclasses

from serial.tools.list_ports_common import ListPortInfo

VENDOR = 0x2341
_SOFT_DEVICE = "Arduino's sketch Nano33_updateBLandSoftDevice brings a SoftDevice back"


@dataclasses.dataclass(frozen=True)
class Product:
    """What a board is at the moment.

    Attributes:
        name: what it is.
        is_boot_loader: whether it is one; None: both a boot loader and programs use this number.
        replaced: what our program takes the place of, and how to get it back; None: nothing that is missed.
        end: first address of the flash, behind the boot loader at 0x0, that a program must not use.
    """

    name: str
    is_boot_loader: bool | None
    replaced: str | None = None
    end: int = 0x100000


RUNNING = 0x805A  # our program, and a sketch of Arduino's first core
MOVED = 0xE0000  # where the boot loader is after Arduino's sketch
PRODUCTS = {
    RUNNING: Product("a program", False),
    0x005A: Product("Arduino's boot loader", True),
    0x015A: Product(
        "Arduino's boot loader at the end of the flash", None, f"what was at 0x10000; {_SOFT_DEVICE}", MOVED
    ),
    0x025A: Product(
        "a program for Arduino's boot loader at the end of the flash, such as MicroPython or OpenMV",
        None,
        f"it and its SoftDevice; {_SOFT_DEVICE}",
        MOVED,
    ),
    **dict.fromkeys(
        (0x035A, 0x065A),
        Product(
            "a sketch of Arduino's Zephyr core",
            False,
            "its loader, without which that core's sketches do not start; the IDE's Burn Bootloader brings it back",
        ),
    ),
}


def product(port: ListPortInfo) -> Product | None:
    """Return what the board at a port is; None: not such a board."""
    return PRODUCTS.get(port.pid) if port.vid == VENDOR and port.pid is not None else None


def is_running(port: ListPortInfo) -> bool:
    """Whether a port is that of a program like ours."""
    return (port.vid, port.pid) == (VENDOR, RUNNING)


def may_be_boot_loader(port: ListPortInfo) -> bool:
    """Whether a port is that of a boot loader, or could be one."""
    found = product(port)
    return found is not None and found.is_boot_loader is not False
