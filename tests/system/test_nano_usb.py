"""The exact image of the Nano 33 BLE, on a model of its USB peripheral: it enumerates, and is a serial port."""

import functools
from pathlib import Path

import pytest
from nano_usb import (
    CYCLES_A_LOOK,
    DTOGGLE,
    ENABLE,
    EPINEN,
    EPOUTEN,
    EPSTALL,
    ERRATA_171,
    ERRATA_187,
    ERRATA_199,
    USBPULLUP,
    NanoUsb,
    StalledError,
)

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle
from tinyscene.device.description import Greeting, read_description
from tinyscene.device.messages import Statistics, features_write
from tinyscene.device.protocol import Demultiplexer, Frame, encode
from tinyscene.firmware.protocol import Request

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

GPREGRET, BOOT_LOADER = 0x4000051C, 0xB0
RING_BYTES = 4096
PATIENCE_CYCLES = 64_000 * 250


@pytest.fixture
def elf(checkout: CleanCheckout) -> Path:
    return checkout.built("nano33ble")


@pytest.fixture
def board(elf: Path) -> NanoUsb:
    """A board that has booted, on a host that has opened its serial port."""
    board = NanoUsb(elf)
    board.run()
    board.enumerate()
    assert ask(board, Request.HELLO)
    return board


def frame(request: Request, payload: bytes = b"") -> bytes:
    """Return a request as it is sent; the newest of a session may be repeated."""
    return encode(Frame(request, 7, payload, session=1))


def answer_in(data: bytes, request: Request) -> bytes:
    (answer,) = Demultiplexer().feed(data)
    assert isinstance(answer, Frame)
    assert (answer.type, answer.payload[0]) == (request | 0x80, 0)
    return answer.payload[1:]


def ask(board: NanoUsb, request: Request, payload: bytes = b"") -> bytes:
    """Send a request over USB, and return the answer's body."""
    board.received.clear()
    board.packets.clear()
    board.send(frame(request, payload))
    return answer_in(bytes(board.received), request)


def test_it_enumerates_and_says_what_it_is(board: NanoUsb) -> None:
    device = board.control(0x80, 6, 0x0100, 0, 18)
    assert device[8:12] == bytes.fromhex("4123 5a80")  # 2341:805a, what Arduino's tools look for
    strings = [board.control(0x80, 6, 0x0300 | number, 0x0409, 255) for number in (1, 2, 3)]
    assert [string[2:].decode("utf-16-le") for string in strings] == ["tinyscene", "Nano 33 BLE", "0123456789ABCDEF"]
    info = read_description(functools.partial(ask, board))
    assert (info.board, info.identity) == ("nano33ble", tiny_bundle().identity)
    assert not board.sent.endswith(board.received)  # the header pins have the greeting, not the answer
    assert board.sent.startswith(b"# tinyscene 0.1.0 board=nano33ble")


def test_registers(board: NanoUsb) -> None:
    assert (board.read(EPINEN), board.read(EPOUTEN)) == (0b111, 0b101)
    assert [board.read(register) for register in (ERRATA_171, ERRATA_187, ERRATA_199)] == [0, 0, 0]
    assert board.data_restarts == [0x181, 0x182, 0x102]  # DATA0 on all three endpoints


@pytest.mark.parametrize("characters", range(480, 496))
def test_answers_of_every_length_come_whole(board: NanoUsb, characters: int) -> None:
    """Around a multiple of 64: a full last packet is followed by an empty one."""
    image = bytes(1 + i % 100 for i in range(characters))
    ask(board, Request.FEATURES_WRITE, features_write(0, image))
    assert ask(board, Request.FEATURES_READ, features_write(0, characters.to_bytes(2, "little"))) == image
    full = [length == 64 for length in board.packets]
    assert not full[-1]


def test_what_it_does_not_know_is_refused_and_the_next_request_works(board: NanoUsb) -> None:
    with pytest.raises(StalledError):
        board.control(0x80, 6, 0x0600, 0, 10)
    with pytest.raises(StalledError):
        board.control(0x21, 0x20, data=bytes(6))
    assert board.control(0xA1, 0x21, length=7).hex() == "00c20100000008"


def test_a_halted_endpoint_works_again_when_it_is_cleared(board: NanoUsb) -> None:
    board.control(2, 3, 0, 0x82)
    assert board.read(EPSTALL) == 0x182
    assert board.control(0x82, 0, 0, 0x82, 2) == b"\1\0"
    board.control(2, 1, 0, 0x82)
    assert (board.read(EPSTALL), board.read(DTOGGLE)) == (0x82, 0x182)
    assert ask(board, Request.STATISTICS)


def test_nothing_is_lost_however_much_comes_at_once(board: NanoUsb) -> None:
    """More than the ring holds: the peripheral makes the host wait."""
    noise = b"." * (RING_BYTES + 1000) + b"\0"
    board.received.clear()
    board.send(noise * 2 + frame(Request.STATISTICS))
    statistics = Statistics.unpack(answer_in(bytes(board.received), Request.STATISTICS))
    assert (statistics.overruns, statistics.frames_ok) == (0, 2)


def test_a_host_that_does_not_read_is_not_waited_for_twice(board: NanoUsb) -> None:
    image = b"\1" * 1000  # without zeros, which COBS would make many small writes of
    ask(board, Request.FEATURES_WRITE, features_write(0, image))
    read = frame(Request.FEATURES_READ, features_write(0, (1000).to_bytes(2, "little")))
    board.reading = False
    before = board._cycles
    board.send(read * 10)
    waited = board._cycles - before
    assert PATIENCE_CYCLES < waited < PATIENCE_CYCLES + 2000 * CYCLES_A_LOOK
    board.received.clear()
    board.read_again()
    assert len(board.received) <= 2048 + 64  # what the ring and the peripheral held
    assert read_description(functools.partial(ask, board)).board == "nano33ble"


def test_nothing_is_kept_for_a_closed_port(board: NanoUsb) -> None:
    board.close()
    board.received.clear()
    before = board._cycles
    board.send(frame(Request.HELLO) * 5)
    assert board.received == b""
    assert board._cycles - before < PATIENCE_CYCLES
    board.open()
    assert board.received == b""
    assert ask(board, Request.HELLO)


def test_the_bus_may_sleep(board: NanoUsb) -> None:
    board.sleep_bus(True)
    board.received.clear()
    board.send(frame(Request.HELLO))
    assert board.received == b""
    board.sleep_bus(False)
    assert ask(board, Request.HELLO)


def test_closing_at_1200_baud_starts_the_boot_loader(board: NanoUsb) -> None:
    board.open(1200)
    assert not board.was_reset
    board.close()
    assert board.was_reset
    assert board.read(GPREGRET) == BOOT_LOADER
    assert not board.attached


@pytest.mark.parametrize(("mode", "register"), [(0, 0), (1, BOOT_LOADER)])
def test_reboot_answers_and_leaves(board: NanoUsb, mode: int, register: int) -> None:
    assert ask(board, Request.REBOOT, bytes([mode])) == b""
    assert board.was_reset
    assert board.read(GPREGRET) == register
    assert (board.read(ENABLE), board.read(USBPULLUP)) == (0, 0)


def test_answers_go_where_the_request_came_from(board: NanoUsb) -> None:
    for _ in range(2):
        board.sent.clear()
        board.received.clear()
        board.line.extend(frame(Request.HELLO))
        board.run()
        assert Greeting.unpack(answer_in(bytes(board.sent), Request.HELLO)).identity == tiny_bundle().identity
        assert board.received == b""
        board.sent.clear()
        assert ask(board, Request.HELLO)
        assert board.sent == b""


def test_the_cable_may_come_and_go(elf: Path) -> None:
    board = NanoUsb(elf, cable=False)
    board.run()
    assert not board.attached
    for _ in range(2):
        board.plug(True)
        board.enumerate()
        assert ask(board, Request.HELLO)
        board.plug(False)
        assert not board.attached
        board.sent.clear()
        board.line.extend(frame(Request.HELLO))
        board.run()
        assert answer_in(bytes(board.sent), Request.HELLO)


def test_a_bus_reset_in_the_middle_of_an_answer(board: NanoUsb) -> None:
    board.reading = False
    board.send(frame(Request.HELLO))
    board.reading = True
    board.enumerate()
    assert ask(board, Request.HELLO)


def test_the_boot_loader_may_have_left_the_peripheral_on(elf: Path) -> None:
    board = NanoUsb(elf, left_on=True)
    board.run()
    board.enumerate()
    assert ask(board, Request.HELLO)


def test_a_peripheral_that_does_not_come_up_leaves_the_header_pins(elf: Path) -> None:
    board = NanoUsb(elf, broken=True)
    board.run()
    assert not board.attached
    board.sent.clear()
    board.line.extend(frame(Request.HELLO))
    board.run()
    assert answer_in(bytes(board.sent), Request.HELLO)
