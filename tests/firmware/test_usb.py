"""The USB serial port's endpoint 0 and its packets, as a host meets them: enumeration, refusals, ends of transfers."""

import ctypes
import functools
import itertools
import random
import struct
import subprocess
from pathlib import Path

import pytest

from tinyscene.paths import FIRMWARE_LIB
from tinyscene.toolchain import native

USB = FIRMWARE_LIB / "usb"
HARNESS = Path(__file__).with_name("usb_harness.c")
SANITISED = Path(__file__).with_name("usb_sanitised.c")
FLAGS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
STALL, SEND, RECEIVE, STATUS, ADDRESS = range(5)
DEFAULT, ADDRESSED, CONFIGURED = range(3)
TO_HOST, CLASS, INTERFACE, ENDPOINT = 0x80, 0x20, 1, 2
GET_STATUS, CLEAR_FEATURE, SET_FEATURE, SET_ADDRESS, GET_DESCRIPTOR, SET_DESCRIPTOR = 0, 1, 3, 5, 6, 7
GET_CONFIGURATION, SET_CONFIGURATION, GET_INTERFACE, SET_INTERFACE, SYNCH_FRAME = 8, 9, 10, 11, 12
SET_LINE_CODING, GET_LINE_CODING, SET_LINE_STATE, SEND_BREAK = 0x20, 0x21, 0x22, 0x23
NOTIFY_IN, DATA_IN, DATA_OUT = 0x81, 0x82, 0x02
DEVICE, CONFIGURATION, STRING, QUALIFIER = 1, 2, 3, 6
ANY = 0x4000  # a length that is more than any descriptor has
RING_BYTES = 2048
LINE_115200 = struct.pack("<IBBB", 115200, 0, 0, 8)


@functools.cache
def library() -> ctypes.CDLL:
    harness = native.build_library("usb", [HARNESS, *sorted(USB.glob("*.c"))], [USB])
    harness.harness_is_open.restype = harness.harness_boot_loader_asked.restype = ctypes.c_bool
    harness.harness_dropped.restype = ctypes.c_uint32
    for name in ("told", "put"):
        getattr(harness, f"harness_{name}").restype = ctypes.c_size_t
    harness.harness_put.argtypes = harness.harness_received.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
    return harness


class StalledError(Exception):
    """The device refused a request."""


class Host:
    """A host and its one device, whose packets it counts: `packets` has the lengths of the last data stage."""

    def __init__(self, name: str = "Nano 33 BLE") -> None:
        self._name = name.encode()  # the device keeps a pointer to it
        library().harness_init(self._name)
        self.packets: list[int] = []

    def control(self, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0) -> bytes:
        """Do a transfer without data, or one towards the host, and return its data."""
        action, packet = self._step("setup", struct.pack("<BBHHH", kind, request, value, index, length))
        data, self.packets = b"", []
        while action == SEND:
            self.packets.append(len(packet))
            data += packet
            assert len(data) <= length, "more than was asked for"
            if len(packet) < 64 or len(data) == length:  # here a host goes on to the status stage
                action, _ = self._step("sent")
                assert action == STATUS
                return data
            action, packet = self._step("sent")
        if action == STALL:
            raise StalledError
        assert action == (ADDRESS if request == SET_ADDRESS and kind == 0 else STATUS)
        return data

    def write(self, kind: int, request: int, data: bytes, length: int | None = None, index: int = 0) -> None:
        """Do a transfer with data from the host."""
        setup = struct.pack("<BBHHH", kind, request, 0, index, len(data) if length is None else length)
        action, _ = self._step("setup", setup)
        if action == RECEIVE:
            action = library().harness_received(data, len(data))
        if action == STALL:
            raise StalledError
        assert action == STATUS

    def descriptor(self, kind: int, number: int = 0, length: int = ANY) -> bytes:
        return self.control(TO_HOST, GET_DESCRIPTOR, kind << 8 | number, length=length)

    def string(self, number: int, length: int = 255) -> str:
        descriptor = self.descriptor(STRING, number, length)
        assert descriptor[:2] == bytes([len(descriptor), STRING])
        return descriptor[2:].decode("utf-16-le")

    def configure(self) -> None:
        self.control(0, SET_ADDRESS, 5)
        self.control(0, SET_CONFIGURATION, 1)
        self.told()

    def open(self, baud: int = 115200) -> None:
        self.control(CLASS | INTERFACE, SET_LINE_STATE, 3)
        self.write(CLASS | INTERFACE, SET_LINE_CODING, struct.pack("<IBBB", baud, 0, 0, 8))

    def told(self) -> list[tuple[int, int]]:
        """Return what the hardware was told since: endpoint (0: all), on."""
        told = ctypes.create_string_buffer(256)
        count = library().harness_told(told)
        pairs = told.raw[:count]
        return list(zip(pairs[::2], pairs[1::2], strict=True))

    def _step(self, what: str, *arguments: bytes) -> tuple[int, bytes]:
        sent, count = ctypes.create_string_buffer(64), ctypes.c_size_t()
        action = getattr(library(), f"harness_{what}")(*arguments, sent, ctypes.byref(count))
        return action, sent.raw[: count.value]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def configured(host: Host) -> Host:
    host.configure()
    return host


def refused(host: Host, *request: int) -> bool:
    try:
        host.control(*request)
    except StalledError:
        return True
    return False


def test_enumeration_as_linux_does_it(host: Host) -> None:
    first = host.descriptor(DEVICE, length=64)  # to learn how large the packets of endpoint 0 are
    assert first[7] == 64
    library().harness_bus_reset()
    host.control(0, SET_ADDRESS, 42)
    assert (library().harness_state(), library().harness_address()) == (ADDRESSED, 42)
    device = host.descriptor(DEVICE, length=18)
    assert device == first
    fields = struct.unpack("<BBHBBBBHHHBBBB", device)
    assert fields == (18, DEVICE, 0x0200, 2, 0, 0, 64, 0x2341, 0x805A, 0x0123, 1, 2, 3, 1)
    assert refused(host, TO_HOST, GET_DESCRIPTOR, QUALIFIER << 8, 0, 10)  # full speed only: it must be refused
    (total,) = struct.unpack_from("<H", host.descriptor(CONFIGURATION, length=9), 2)
    assert len(host.descriptor(CONFIGURATION, length=total)) == total
    assert host.packets == [64, 3]
    assert host.descriptor(STRING, 0, 255) == struct.pack("<BBH", 4, STRING, 0x0409)
    assert [host.string(number) for number in (1, 2, 3)] == ["tinyscene", "Nano 33 BLE", "0123456789ABCDEF"]
    host.told()
    host.control(0, SET_CONFIGURATION, 1)
    assert library().harness_state() == CONFIGURED
    assert host.told() == [(0, 1)]
    assert host.control(TO_HOST, GET_CONFIGURATION, length=1) == b"\1"
    assert not library().harness_is_open()
    host.open()
    assert host.control(TO_HOST | CLASS | INTERFACE, GET_LINE_CODING, length=7) == LINE_115200
    assert library().harness_is_open()


def test_configuration_is_well_formed(host: Host) -> None:
    """Every descriptor by its own length: two interfaces of a CDC-ACM and their endpoints, in the required order."""
    configuration = host.descriptor(CONFIGURATION)
    parts, rest = [], configuration
    while rest:
        parts.append(rest[: rest[0]])
        rest = rest[rest[0] :]
    assert [part[1] for part in parts] == [2, 4, 0x24, 0x24, 0x24, 0x24, 5, 4, 5, 5]
    assert struct.unpack("<BBHBBBBB", parts[0]) == (9, 2, len(configuration), 2, 1, 0, 0x80, 250)
    assert tuple(parts[1][2:]) == (0, 0, 1, 2, 2, 0, 0)
    assert [part[2] for part in parts[2:6]] == [0, 1, 2, 6]  # header, call management, ACM, union
    assert tuple(parts[5][3:]) == (0, 1)
    assert struct.unpack("<BBHB", parts[6][2:]) == (NOTIFY_IN, 3, 8, 255)
    assert tuple(parts[7][2:]) == (1, 0, 2, 10, 0, 0, 0)
    assert [struct.unpack("<BBHB", part[2:]) for part in parts[8:]] == [(DATA_OUT, 2, 64, 0), (DATA_IN, 2, 64, 0)]


@pytest.mark.parametrize(
    ("characters", "length", "packets"),
    [
        (30, 255, [62]),
        (31, 255, [64, 0]),  # an exact multiple, shorter than asked for: an empty packet says that this is all
        (31, 64, [64]),  # all that was asked for: no empty packet
        (31, 65, [64, 0]),
        (31, 63, [63]),
        (32, 255, [64, 2]),
        (63, 255, [64, 64, 0]),
        (63, 128, [64, 64]),
        (63, 100, [64, 36]),
        (80, 255, [64, 64, 0]),  # cut off at 63 characters
        (31, 2, [2]),
        (31, 1, [1]),
        (31, 0, []),
        (31, 0xFFFF, [64, 0]),
    ],
)
def test_ends_of_the_data_stage(characters: int, length: int, packets: list[int]) -> None:
    host = Host("x" * characters)
    data = host.descriptor(STRING, 2, length)
    whole = bytes([2 + 2 * min(characters, 63), STRING]) + b"x\0" * min(characters, 63)
    assert data == whole[:length]
    assert host.packets == packets


def test_states(host: Host) -> None:
    assert refused(host, 0, SET_CONFIGURATION, 1)  # without an address
    assert refused(host, TO_HOST, GET_CONFIGURATION, 0, 0, 1)
    assert refused(host, TO_HOST, GET_STATUS, 0, 0, 2)
    for value, index, length in ((128, 0, 0), (5, 1, 0), (5, 0, 1)):
        assert refused(host, 0, SET_ADDRESS, value, index, length)
    host.control(0, SET_ADDRESS, 5)
    assert host.control(TO_HOST, GET_CONFIGURATION, length=1) == b"\0"
    host.control(0, SET_ADDRESS, 0)
    assert library().harness_state() == DEFAULT
    host.control(0, SET_ADDRESS, 6)
    assert library().harness_address() == 6
    for value, index, length in ((2, 0, 0), (1, 1, 0), (1, 0, 1), (0x101, 0, 0)):
        assert refused(host, 0, SET_CONFIGURATION, value, index, length)
    assert refused(host, CLASS | INTERFACE, SET_LINE_STATE, 3, 0, 0)  # not before it is configured
    assert refused(host, TO_HOST | CLASS | INTERFACE, GET_LINE_CODING, 0, 0, 7)
    assert refused(host, TO_HOST | INTERFACE, GET_INTERFACE, 0, 0, 1)
    host.told()
    host.control(0, SET_CONFIGURATION, 1)
    assert refused(host, 0, SET_ADDRESS, 7)
    host.open()
    host.control(0, SET_CONFIGURATION, 0)
    assert (library().harness_state(), library().harness_is_open()) == (ADDRESSED, False)
    assert host.told() == [(0, 1), (0, 0)]


def test_a_bus_reset_forgets_everything(configured: Host) -> None:
    configured.open(9600)
    configured.control(ENDPOINT, SET_FEATURE, 0, DATA_IN)
    configured.told()
    library().harness_bus_reset()
    assert configured.told() == [(0, 0)]
    assert (library().harness_state(), library().harness_is_open()) == (DEFAULT, False)
    configured.configure()
    assert configured.control(TO_HOST | ENDPOINT, GET_STATUS, 0, DATA_IN, 2) == bytes(2)
    assert configured.control(TO_HOST | CLASS | INTERFACE, GET_LINE_CODING, length=7) == LINE_115200


def test_status_and_halt(configured: Host) -> None:
    assert configured.control(TO_HOST, GET_STATUS, length=2) == bytes(2)
    assert configured.control(TO_HOST | INTERFACE, GET_STATUS, index=1, length=2) == bytes(2)
    for zero in (0, 0x80):
        assert configured.control(TO_HOST | ENDPOINT, GET_STATUS, index=zero, length=2) == bytes(2)
        configured.control(ENDPOINT, CLEAR_FEATURE, 0, zero)
    for endpoint, other in itertools.permutations((NOTIFY_IN, DATA_IN, DATA_OUT), 2):
        configured.control(ENDPOINT, SET_FEATURE, 0, endpoint)
        assert configured.control(TO_HOST | ENDPOINT, GET_STATUS, index=endpoint, length=2) == b"\1\0"
        assert configured.control(TO_HOST | ENDPOINT, GET_STATUS, index=other, length=2) == b"\0\0"
        configured.control(ENDPOINT, CLEAR_FEATURE, 0, endpoint)
        configured.control(ENDPOINT, CLEAR_FEATURE, 0, endpoint)  # resets the data toggle, halted or not
        assert configured.control(TO_HOST | ENDPOINT, GET_STATUS, index=endpoint, length=2) == b"\0\0"
        assert configured.told() == [(endpoint, 1), (endpoint, 0), (endpoint, 0)]


def test_choosing_an_interface_again_restarts_its_endpoints(configured: Host) -> None:
    assert configured.control(TO_HOST | INTERFACE, GET_INTERFACE, 0, 1, 1) == b"\0"
    configured.control(ENDPOINT, SET_FEATURE, 0, DATA_OUT)
    configured.told()
    configured.control(INTERFACE, SET_INTERFACE, 0, 1)
    assert configured.told() == [(DATA_IN, 0), (DATA_OUT, 0)]
    assert configured.control(TO_HOST | ENDPOINT, GET_STATUS, index=DATA_OUT, length=2) == bytes(2)
    configured.control(INTERFACE, SET_INTERFACE, 0, 0)
    assert configured.told() == [(NOTIFY_IN, 0)]


@pytest.mark.parametrize(
    "request_fields",
    [
        (TO_HOST, GET_DESCRIPTOR, 0, 0, 18),
        (TO_HOST, GET_DESCRIPTOR, DEVICE << 8 | 1, 0, 18),
        (TO_HOST, GET_DESCRIPTOR, CONFIGURATION << 8 | 1, 0, 9),
        (TO_HOST, GET_DESCRIPTOR, STRING << 8 | 4, 0x0409, 255),
        (TO_HOST, GET_DESCRIPTOR, STRING << 8 | 0xEE, 0, 18),  # Microsoft's: hosts try it
        (TO_HOST, GET_DESCRIPTOR, QUALIFIER << 8, 0, 10),
        (TO_HOST, GET_DESCRIPTOR, 0xFFFF, 0, 0xFFFF),
        (0, SET_DESCRIPTOR, DEVICE << 8, 0, 18),
        (0, SET_FEATURE, 1, 0, 0),  # remote wake-up
        (0, SET_FEATURE, 2, 0x0100, 0),  # a test mode
        (0, CLEAR_FEATURE, 1, 0, 0),
        (ENDPOINT, SET_FEATURE, 0, 0, 0),  # endpoint 0
        (ENDPOINT, SET_FEATURE, 0, 0x83, 0),
        (ENDPOINT, SET_FEATURE, 0, 0x01, 0),
        (ENDPOINT, SET_FEATURE, 1, DATA_IN, 0),
        (ENDPOINT, SET_FEATURE, 0, DATA_IN, 1),
        (ENDPOINT, CLEAR_FEATURE, 1, 0, 0),
        (TO_HOST, GET_STATUS, 1, 0, 2),
        (TO_HOST, GET_STATUS, 0, 1, 2),
        (TO_HOST, GET_STATUS, 0, 0, 3),
        (TO_HOST | INTERFACE, GET_STATUS, 0, 2, 2),
        (TO_HOST | ENDPOINT, GET_STATUS, 0, 0x83, 2),
        (TO_HOST | ENDPOINT, GET_STATUS, 0, 0x182, 2),
        (TO_HOST | ENDPOINT, SYNCH_FRAME, 0, DATA_IN, 2),
        (TO_HOST | INTERFACE, GET_INTERFACE, 0, 2, 1),
        (INTERFACE, SET_INTERFACE, 1, 1, 0),
        (INTERFACE, SET_INTERFACE, 0, 2, 0),
        (INTERFACE, SET_CONFIGURATION, 1, 0, 0),
        (TO_HOST, SET_ADDRESS, 5, 0, 0),
        (TO_HOST | CLASS | INTERFACE, GET_LINE_CODING, 0, 1, 7),
        (CLASS | INTERFACE, SET_LINE_STATE, 3, 1, 0),
        (CLASS | INTERFACE, SET_LINE_STATE, 3, 0, 1),
        (CLASS | INTERFACE, SEND_BREAK, 100, 0, 0),
        (CLASS | INTERFACE, SET_LINE_CODING, 0, 0, 0),
        (CLASS | INTERFACE, SET_LINE_CODING, 0, 0, 6),
        (CLASS | INTERFACE, SET_LINE_CODING, 0, 0, 0xFFFF),
        (CLASS | INTERFACE, SET_LINE_CODING, 0, 1, 7),
        (0xC0, 0x42, 0, 0, 0xFFFF),  # a vendor's
        (0xFF, 0xFF, 0xFFFF, 0xFFFF, 0xFFFF),
    ],
)
def test_what_is_refused(configured: Host, request_fields: tuple[int, ...]) -> None:
    assert refused(configured, *request_fields)
    assert configured.told() == []
    assert library().harness_state() == CONFIGURED
    assert len(configured.descriptor(DEVICE)) == 18  # the next transfer works


@pytest.mark.parametrize("count", [0, 6, 8, 64])
def test_a_line_coding_of_another_length_is_refused(configured: Host, count: int) -> None:
    with pytest.raises(StalledError):
        configured.write(CLASS | INTERFACE, SET_LINE_CODING, bytes(count), length=7)
    assert configured.control(TO_HOST | CLASS | INTERFACE, GET_LINE_CODING, length=7) == LINE_115200


@pytest.mark.usefixtures("configured")
def test_data_that_nothing_asked_for_is_refused() -> None:
    assert library().harness_received(bytes(7), 7) == STALL


def test_an_abandoned_transfer_leaves_nothing_behind() -> None:
    """The host gives up in the middle of a data stage, and asks for something else."""
    host = Host("x" * 63)
    host.configure()
    host._step("setup", struct.pack("<BBHHH", TO_HOST, GET_DESCRIPTOR, STRING << 8 | 2, 0, 255))
    host._step("sent")
    assert host.descriptor(STRING, 0) == struct.pack("<BBH", 4, STRING, 0x0409)
    assert host.packets == [4]
    host._step("setup", struct.pack("<BBHHH", CLASS | INTERFACE, SET_LINE_CODING, 0, 0, 7))
    host.control(TO_HOST, GET_STATUS, length=2)
    assert library().harness_received(bytes(7), 7) == STALL


def test_closing_at_1200_baud_asks_for_the_boot_loader(configured: Host) -> None:
    configured.open(9600)
    configured.control(CLASS | INTERFACE, SET_LINE_STATE, 2)
    assert not library().harness_boot_loader_asked()
    configured.open(1200)
    assert not library().harness_boot_loader_asked()
    configured.control(CLASS | INTERFACE, SET_LINE_STATE, 2)
    assert library().harness_boot_loader_asked()


def test_1200_baud_on_a_closed_port_asks_for_nothing(configured: Host) -> None:
    configured.write(CLASS | INTERFACE, SET_LINE_CODING, struct.pack("<IBBB", 1200, 0, 0, 8))
    configured.control(CLASS | INTERFACE, SET_LINE_STATE, 0)
    assert not library().harness_boot_loader_asked()


def test_nobody_listens_while_the_bus_sleeps(configured: Host) -> None:
    configured.open()
    library().harness_suspend(True)
    assert not library().harness_is_open()
    library().harness_suspend(False)
    assert library().harness_is_open()


def packets() -> list[bytes]:
    """Take all packets that are due."""
    found, buffer = [], ctypes.create_string_buffer(64)
    while (count := library().harness_next(buffer)) >= 0:
        found.append(buffer.raw[:count])
    assert count == -1
    return found


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(0, []), (1, [1]), (63, [63]), (64, [64, 0]), (65, [64, 1]), (128, [64, 64, 0]), (2048, [64] * 32 + [0])],
)
@pytest.mark.usefixtures("host")
def test_bytes_are_cut_into_packets(count: int, lengths: list[int]) -> None:
    data = random.Random(count).randbytes(count)
    assert library().harness_put(data, count) == count
    sent = packets()
    assert ([len(packet) for packet in sent], b"".join(sent)) == (lengths, data)
    assert packets() == []


@pytest.mark.usefixtures("host")
def test_what_does_not_fit_is_not_taken_and_what_nobody_reads_is_counted() -> None:
    assert library().harness_put(bytes(3000), 3000) == RING_BYTES
    assert library().harness_put(b"x", 1) == 0
    buffer = ctypes.create_string_buffer(64)
    assert library().harness_next(buffer) == 64
    assert library().harness_put(bytes(100), 100) == 64
    library().harness_discard()
    assert library().harness_dropped() == RING_BYTES
    assert packets() == []
    assert library().harness_put(b"abc", 3) == 3
    assert packets() == [b"abc"]


def test_nothing_leaves_its_memory_whatever_a_host_sends(tmp_path: Path) -> None:
    """A million random packets under AddressSanitizer and UndefinedBehaviorSanitizer."""
    program = tmp_path / "usb"
    sources = [SANITISED, *sorted(USB.glob("*.c"))]
    command = [*native.host_compiler(), *native.C_FLAGS, *FLAGS, f"-I{USB}", *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:2000]
