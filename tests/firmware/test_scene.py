"""The firmware's answers to every request of docs/PROTOCOL.md, with a front end and a model that can be foretold."""

import ctypes
import itertools
import math
import struct
import zlib

import link_binding
import numpy as np
import pytest
from cobs import cobs

import native_board
from conversation_cases import conversations
from native_board import CELLS, CLASSES, CLIP_SAMPLES, HOP, WINDOW, library
from tinyscene.device.description import DeviceInfo
from tinyscene.firmware.export import MAX_CLASSES, MAX_NAME_BYTES
from tinyscene.firmware.protocol import VERSION, Request, Status

OK, UNKNOWN, BAD_LENGTH, BAD_OFFSET, BAD_STATE, BAD_VALUE, BAD_VERSION, INTERNAL, BAD_MODEL, STALE, BAD_SESSION = (
    bytes([status]) for status in Status
)
LOGITS, PROBABILITIES = 0, 1
SESSION = 1

STAGES = 5
CONVERSATIONS = conversations()
MOST_VALUES = 255  # in one answer
MODEL_MICROSECONDS = (2500 + 25) // 25
LAYERS, LAYER_CYCLES, LOOK_CYCLES = 300, 10, 25


class Board:
    """A board that has just been switched on."""

    def __init__(self, kind: int = LOGITS) -> None:
        library().harness_reset(kind)
        self.sequence = 0x00FF
        self.text = b""
        self.open()

    def open(self) -> None:
        """Open the session in which everything is asked."""
        assert self.ask(Request.HELLO)[:1] == OK

    def receive(self, stream: bytes) -> bytes:
        """Send it bytes, and return what it writes."""
        written = ctypes.create_string_buffer(8192)
        count = library().harness_receive(stream, len(stream), written, len(written))
        return written.raw[:count]

    def ask(self, kind: int, payload: bytes = b"") -> bytes:
        """Return the payload of the answer, status first; text before it goes to `text`."""
        self.sequence += 1
        written = self.receive(link_binding.send(kind, self.sequence, payload))
        self.text, chunk, after = written.split(b"\0")
        assert after == b""
        frame = cobs.decode(chunk)
        assert zlib.crc32(frame[:-4]) == int.from_bytes(frame[-4:], "little")
        assert frame[:6] == struct.pack("<BBHH", VERSION, kind | 0x80, self.sequence, SESSION)
        return frame[6:-4]

    def write_samples(self, kind: int, samples: np.ndarray, start: int = 0, chunk: int = 130) -> None:
        """Send samples as Request.AUDIO_WRITE or Request.STREAM_WRITE requests, in chunks."""
        for first in range(0, len(samples), chunk):
            part = samples[first : first + chunk].astype("<i2").tobytes()
            assert self.ask(kind, struct.pack("<I", (start + first) % 2**32) + part) == OK


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def clip() -> np.ndarray:
    return np.random.default_rng(1).integers(-32768, 32767, CLIP_SAMPLES, dtype=np.int16)


def expected_image(clip: np.ndarray) -> bytes:
    return (clip[::HOP] & 0xFF).astype(np.uint8).tobytes()


def expected_outputs(image: bytes) -> bytes:
    return (np.frombuffer(image, np.uint8)[:CLASSES] + 1).astype(np.uint8).tobytes()


def test_greeting_names_board_bundle_and_protocol() -> None:
    Board()
    written = ctypes.create_string_buffer(200)
    count = library().harness_greet(written, 200)
    assert (
        written.raw[:count]
        == b"# tinyscene 1.2.3 board=harness bundle=foretold identity=0123456789abcdef protocol=2\r\n"
    )


def test_info(board: Board) -> None:
    described = native_board.info_body()
    greeting = bytes.fromhex("0123456789abcdef") + struct.pack("<HBH", CELLS, CLASSES, len(described))
    assert board.ask(Request.HELLO) == OK + greeting
    assert len(OK + greeting) + 10 <= 24, "a frame that comes through where one byte in 30 is hurt"
    assert board.ask(Request.INFO, struct.pack("<HH", 0, len(described))) == OK + described
    for offset, count in itertools.product(range(len(described)), (1, 16)):
        piece = described[offset : offset + count]
        if len(piece) == count:
            assert board.ask(Request.INFO, struct.pack("<HH", offset, count)) == OK + piece
    for count in (len(described) + 1, 1023):
        assert board.ask(Request.INFO, struct.pack("<HH", 0, count)) == BAD_OFFSET
    assert board.ask(Request.INFO, struct.pack("<HH", len(described), 1)) == BAD_OFFSET


def test_info_of_255_classes(board: Board) -> None:
    """The description is longer than any frame."""
    label = b"x" * MAX_NAME_BYTES
    library().harness_label_all(label)
    count = struct.unpack("<8sHBH", board.ask(Request.HELLO)[1:])[3]
    pieces = [
        board.ask(Request.INFO, struct.pack("<HH", offset, min(1000, count - offset)))
        for offset in range(0, count, 1000)
    ]
    assert {piece[:1] for piece in pieces} == {OK}
    described = DeviceInfo.unpack(b"".join(piece[1:] for piece in pieces))
    assert described.labels == (label.decode(),) * MAX_CLASSES
    assert count > 16 * 1024
    library().harness_reset(LOGITS)


def reboot(board: Board, mode: int) -> tuple[bytes, bytes]:
    """Return the answer's payload, and what the board wrote after the answer."""
    board.sequence += 1
    written = board.receive(link_binding.send(Request.REBOOT, board.sequence, bytes([mode])))
    _, chunk, after = written.split(b"\0")
    return cobs.decode(chunk)[6:-4], after


@pytest.mark.parametrize("present", [False, True])
def test_reboot_answers_first(board: Board, present: bool) -> None:
    library().harness_reset_with_boot_loader(present)
    board.open()
    assert reboot(board, 0) == (OK, b"restarted")
    assert reboot(board, 1) == ((OK, b"boot loader") if present else (BAD_STATE, b""))
    assert reboot(board, 2) == (BAD_VALUE, b"")
    assert board.ask(Request.REBOOT) == BAD_LENGTH
    assert board.ask(Request.REBOOT, b"\0\0") == BAD_LENGTH
    assert board.ask(Request.STATISTICS)[:1] == OK


def test_features_written_in_parts_are_classified(board: Board) -> None:
    image = bytes(range(120, 120 + CELLS))
    assert board.ask(Request.FEATURES_WRITE, struct.pack("<H", 7) + image[7:]) == OK
    assert board.ask(Request.FEATURES_WRITE, struct.pack("<H", 0) + image[:7]) == OK
    assert board.ask(Request.FEATURES_READ, struct.pack("<HH", 0, CELLS)) == OK + image
    assert board.ask(Request.FEATURES_READ, struct.pack("<HH", 19, 1)) == OK + image[19:]
    answer = OK + struct.pack("<II", MODEL_MICROSECONDS, zlib.crc32(image)) + expected_outputs(image)
    assert board.ask(Request.FEATURES_RUN) == answer
    assert board.ask(Request.FEATURES_RUN) == answer


def test_profile_tells_what_each_layer_took(board: Board, clip: np.ndarray) -> None:
    assert board.ask(Request.PROFILE_READ, struct.pack("<HH", 0, 1)) == BAD_STATE
    assert board.ask(Request.AUDIO_BEGIN) == OK
    board.write_samples(Request.AUDIO_WRITE, clip, chunk=CLIP_SAMPLES // 2)
    clip_answer = board.ask(Request.AUDIO_END)
    feeds = 2 * math.ceil(CLIP_SAMPLES // 2 / 64)
    layers = [number * LAYER_CYCLES + LOOK_CYCLES for number in range(LAYERS)]
    whole = sum(layers) + 2500 + 2 * LOOK_CYCLES
    for _ in range(2):
        answer = board.ask(Request.PROFILE_RUN)
        image = expected_image(clip)
        numbers = struct.pack("<IIHI", feeds * (250 + LOOK_CYCLES), whole, LAYERS, zlib.crc32(image))
        assert answer == OK + numbers + expected_outputs(image)
        assert board.ask(Request.PROFILE_READ, struct.pack("<HH", 0, 255)) == OK + struct.pack("<255I", *layers[:255])
        assert board.ask(Request.PROFILE_READ, struct.pack("<HH", 255, 45)) == OK + struct.pack("<45I", *layers[255:])
    assert board.ask(Request.AUDIO_END) == clip_answer, "a profile leaves the clip's answer alone"
    assert board.ask(Request.STATISTICS)[17:21] == struct.pack("<I", 3), "inferences"


@pytest.mark.parametrize(
    ("offset", "count", "status"),
    [(0, 0, BAD_VALUE), (0, 256, BAD_VALUE), (46, 255, BAD_OFFSET), (300, 1, BAD_OFFSET), (65535, 255, BAD_OFFSET)],
)
def test_profile_has_no_more_than_its_layers(board: Board, offset: int, count: int, status: bytes) -> None:
    assert board.ask(Request.PROFILE_RUN)[:1] == OK
    assert board.ask(Request.PROFILE_READ, struct.pack("<HH", offset, count)) == status
    for payload in (b"", bytes(3), bytes(5)):
        assert board.ask(Request.PROFILE_READ, payload) == BAD_LENGTH
    assert board.ask(Request.PROFILE_RUN, b"?") == BAD_LENGTH


@pytest.mark.parametrize("chunk", [1, 63, 64, 65, 130, 510])
def test_audio_is_classified(board: Board, clip: np.ndarray, chunk: int) -> None:
    assert board.ask(Request.AUDIO_BEGIN) == OK
    board.write_samples(Request.AUDIO_WRITE, clip, chunk=chunk)
    answer = board.ask(Request.AUDIO_END)
    status, frontend, model, heard, seen = struct.unpack_from("<BIIII", answer)
    feeds = sum(math.ceil(len(clip[first : first + chunk]) / 64) for first in range(0, CLIP_SAMPLES, chunk))
    assert (status, frontend, model) == (0, feeds * (250 + 25) // 25, MODEL_MICROSECONDS)
    assert (heard, seen) == (zlib.crc32(clip.tobytes()), zlib.crc32(expected_image(clip)))
    assert answer[17:] == expected_outputs(expected_image(clip))
    assert board.ask(Request.FEATURES_READ, struct.pack("<HH", 0, CELLS)) == OK + expected_image(clip)
    assert board.text == b""


def test_every_request_may_be_repeated(board: Board, clip: np.ndarray) -> None:
    """Each frame is sent twice, as if the first answer had been lost; answers and results are the same."""

    def ask_twice(kind: int, payload: bytes = b"") -> bytes:
        first = board.ask(kind, payload)
        assert board.ask(kind, payload) == first
        return first

    assert ask_twice(Request.AUDIO_BEGIN) == OK
    for first in range(0, CLIP_SAMPLES, 100):
        assert ask_twice(Request.AUDIO_WRITE, struct.pack("<I", first) + clip[first : first + 100].tobytes()) == OK
    answer = ask_twice(Request.AUDIO_END)
    assert answer[17:] == expected_outputs(expected_image(clip))
    assert ask_twice(Request.FEATURES_WRITE, b"\0\0" + bytes(CELLS)) == OK
    assert ask_twice(Request.FEATURES_RUN)[9:] == expected_outputs(bytes(CELLS))
    assert board.ask(Request.AUDIO_END) == answer
    assert ask_twice(Request.STREAM_START, b"\0") == OK
    assert ask_twice(Request.STREAM_STOP) == OK


def test_stream_prints_a_line_a_clip(board: Board, clip: np.ndarray) -> None:
    assert board.ask(Request.STREAM_START, b"\0") == OK
    samples = np.concatenate([clip, clip[::-1], clip])
    lines = []
    for first in range(0, len(samples), 300):
        board.write_samples(Request.STREAM_WRITE, samples[first : first + 300], start=first, chunk=300)
        lines.append(board.text)
    assert [bool(line) for line in lines] == [False, False, False, True, False, False, True, False, False, True]
    outputs = np.frombuffer(expected_outputs(expected_image(clip)), np.int8) * 0.125
    probabilities = np.exp(outputs) / np.exp(outputs).sum()
    names = ("bus", "metro_station", "park")
    expected = "\t".join(f"{name}:{value:.2f}" for name, value in zip(names, probabilities, strict=True)) + "\r\n"
    assert lines[3].decode() == lines[9].decode() == expected
    assert lines[6] != lines[3]
    assert board.ask(Request.STREAM_STOP) == OK
    assert board.ask(Request.STREAM_WRITE, bytes(6)) == BAD_STATE


@pytest.mark.parametrize(
    ("kind", "outputs", "line"),
    [
        (LOGITS, (127, -128, -128), "bus:1.00\tmetro_station:0.00\tpark:0.00\r\n"),
        (LOGITS, (0, 0, 0), "bus:0.33\tmetro_station:0.33\tpark:0.33\r\n"),
        (LOGITS, (-127, -119, -127), "bus:0.21\tmetro_station:0.58\tpark:0.21\r\n"),
        (PROBABILITIES, (127, -127, -127), "bus:0.99\tmetro_station:0.00\tpark:0.00\r\n"),
        (PROBABILITIES, (-64, 64, -128), "bus:0.25\tmetro_station:0.75\tpark:0.00\r\n"),
        (PROBABILITIES, (-96, 95, -128), "bus:0.13\tmetro_station:0.87\tpark:0.00\r\n"),
        (PROBABILITIES, (-128, -128, -128), "bus:0.00\tmetro_station:0.00\tpark:0.00\r\n"),
    ],
)
def test_result_line(kind: int, outputs: tuple[int, ...], line: str) -> None:
    board = Board(kind)
    samples = np.zeros(CLIP_SAMPLES, np.int16)
    samples[: CLASSES * HOP : HOP] = np.array(outputs) - 1  # the model adds 1
    assert board.ask(Request.STREAM_START, b"\0") == OK
    board.write_samples(Request.STREAM_WRITE, samples, chunk=500)
    assert board.text.decode() == line


def test_stream_goes_on_beyond_32_bits(board: Board, clip: np.ndarray) -> None:
    """Sample offsets are modulo 2^32: what came before is acknowledged, a gap is not."""
    assert board.ask(Request.STREAM_START, b"\0") == OK
    board.write_samples(Request.STREAM_WRITE, clip[:100])
    assert board.ask(Request.STREAM_WRITE, struct.pack("<I", 2**32 - 60) + clip[:50].tobytes()) == OK
    assert board.ask(Request.STREAM_WRITE, struct.pack("<I", 101) + clip[:50].tobytes()) == BAD_OFFSET
    board.write_samples(Request.STREAM_WRITE, clip[100:], start=100, chunk=450)
    assert board.text != b""


def probed(board: Board, stage: int, count: int = MOST_VALUES) -> np.ndarray:
    """Return a stage's values, read in parts."""
    values, total = np.empty(0, np.float32), 1
    while len(values) < total:
        answer = board.ask(Request.PROBE_READ, struct.pack("<BHH", stage, len(values), count))
        assert answer[:1] == OK
        (total,) = struct.unpack_from("<H", answer, 1)
        values = np.append(values, np.frombuffer(answer, "<f4", offset=3))
    assert len(values) == total
    return values


@pytest.mark.parametrize("count", [1, 7, MOST_VALUES])
def test_a_frame_is_shown_stage_by_stage(board: Board, clip: np.ndarray, count: int) -> None:
    frame = clip[:WINDOW]
    for first in (350, 0):
        payload = struct.pack("<H", first) + frame[first : first + 350].tobytes()
        assert board.ask(Request.PROBE_WRITE, payload) == board.ask(Request.PROBE_WRITE, payload) == OK
    for stage in range(STAGES):
        expected = np.resize(frame, WINDOW + stage) + np.float32(1000 * stage)
        assert probed(board, stage, count).tolist() == expected.tolist()


def test_a_probe_ends_what_is_under_way(board: Board, clip: np.ndarray) -> None:
    write, read = (Request.PROBE_WRITE, bytes(4)), (Request.PROBE_READ, struct.pack("<BHH", 0, 0, 1))
    for probe in (write, read):
        assert board.ask(Request.AUDIO_BEGIN) == OK
        board.write_samples(Request.AUDIO_WRITE, clip[:100])
        assert board.ask(*probe)[:1] == OK
        assert board.ask(Request.AUDIO_WRITE, struct.pack("<I", 100) + bytes(2)) == BAD_STATE
        assert board.ask(Request.AUDIO_BEGIN) == OK
        board.write_samples(Request.AUDIO_WRITE, clip)
        assert board.ask(Request.AUDIO_END)[17:] == expected_outputs(expected_image(clip))
        assert board.ask(*probe)[:1] == OK
        assert board.ask(Request.AUDIO_END) == BAD_STATE
        assert board.ask(Request.STREAM_START, b"\0") == OK
        assert board.ask(*probe)[:1] == OK
        assert board.ask(Request.STREAM_WRITE, bytes(6)) == BAD_STATE
    assert board.ask(Request.FEATURES_READ, struct.pack("<HH", 0, CELLS)) == OK + expected_image(clip)


def test_a_new_beginning_forgets_the_old_one(board: Board, clip: np.ndarray) -> None:
    assert board.ask(Request.STREAM_START, b"\0") == OK
    board.write_samples(Request.STREAM_WRITE, clip[:500])
    assert board.ask(Request.AUDIO_BEGIN) == OK
    assert board.ask(Request.STREAM_WRITE, struct.pack("<I", 500) + clip[500:600].tobytes()) == BAD_STATE
    board.write_samples(Request.AUDIO_WRITE, clip[:500])
    assert board.ask(Request.AUDIO_BEGIN) == OK
    board.write_samples(Request.AUDIO_WRITE, clip)
    assert board.ask(Request.AUDIO_END)[17:] == expected_outputs(expected_image(clip))
    assert board.ask(Request.STREAM_START, b"\0") == OK
    assert board.ask(Request.AUDIO_END) == BAD_STATE


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(board: Board, name: str) -> None:
    """Each answer has the status of the table; a refusal says nothing else."""
    for exchange in CONVERSATIONS[name]:
        answer = board.ask(exchange.request, exchange.payload)
        assert answer[0] == exchange.status
        assert exchange.status == 0 or len(answer) == 1


@pytest.mark.parametrize(("offset", "count"), [(100, 10), (0, 100), (50, 50), (101, 10), (99, 2), (999, 2)])
def test_a_clip_is_right_whatever_was_refused(board: Board, clip: np.ndarray, offset: int, count: int) -> None:
    assert board.ask(Request.AUDIO_BEGIN) == OK
    board.write_samples(Request.AUDIO_WRITE, clip[:100])
    part = np.resize(clip, 2000)[offset:][:count]
    board.ask(Request.AUDIO_WRITE, struct.pack("<I", offset) + part.tobytes())
    assert board.ask(Request.AUDIO_END) == BAD_STATE
    reached = 110 if offset == 100 else 100
    board.write_samples(Request.AUDIO_WRITE, clip[reached:], start=reached)
    assert board.ask(Request.AUDIO_END)[17:] == expected_outputs(expected_image(clip))


def test_another_version_is_answered_with_bad_version(board: Board) -> None:
    body = struct.pack("<BBH", 1, Request.INFO, 0x1234)
    written = board.receive(b"\0" + cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0")
    answer = cobs.decode(written.strip(b"\0"))
    assert answer[:4] == struct.pack("<BBH", VERSION, Request.INFO | 0x80, 0x1234)
    assert answer[6:-4] == BAD_VERSION


def test_only_the_newest_request_of_the_session_has_an_effect(board: Board) -> None:
    """What a bridge or driver repeats is refused, from this session or another one, until the host greets again."""

    def send(kind: int, payload: bytes, sequence: int, session: int = SESSION) -> bytes:
        answer = cobs.decode(board.receive(link_binding.send(kind, sequence, payload, session)).strip(b"\0"))
        assert answer[:6] == struct.pack("<BBHH", VERSION, kind | 0x80, sequence, session)
        return answer[6:-4]

    first, second = bytes(CELLS), bytes(range(CELLS))
    at = board.sequence
    assert send(Request.FEATURES_WRITE, b"\0\0" + first, at + 1) == OK
    assert send(Request.FEATURES_WRITE, b"\0\0" + second, at + 2) == OK
    assert send(Request.FEATURES_WRITE, b"\0\0" + first, at + 1) == STALE
    assert send(Request.HELLO, b"", at) == STALE
    assert send(Request.FEATURES_WRITE, b"\0\0" + first, at + 3, session=2) == BAD_SESSION
    assert send(Request.FEATURES_WRITE, b"\0\0" + first, at + 3, session=0) == BAD_SESSION
    assert send(Request.HELLO, b"", at + 3, session=0) == BAD_SESSION
    assert send(Request.FEATURES_RUN, b"", at + 3)[9:] == expected_outputs(second)
    assert send(Request.FEATURES_RUN, b"", at + 3)[9:] == expected_outputs(second), "the newest may be repeated"
    assert send(Request.HELLO, b"", 1, session=2)[:1] == OK
    assert send(Request.FEATURES_RUN, b"", at + 4) == BAD_SESSION
    assert send(Request.FEATURES_RUN, b"", 2, session=2)[9:] == expected_outputs(second), "a greeting forgets nothing"
    library().harness_boot(LOGITS, SOFTWARE)
    assert send(Request.FEATURES_RUN, b"", 3, session=2) == BAD_SESSION


@pytest.mark.parametrize("kind", [0x00, 0x80, Request.INFO | 0x80, 0xFF])
def test_what_is_no_request_is_not_answered(board: Board, kind: int) -> None:
    assert board.receive(link_binding.send(kind, 1, b"")) == b""


def test_text_and_damage_are_not_answered_but_counted(board: Board) -> None:
    request = link_binding.send(Request.STATISTICS, 1, b"")
    assert board.receive(b"hello?\r\n\0") == b""
    assert board.receive(request[:-3] + b"\0") == b""
    assert board.receive(request.replace(b"\x02\x02", b"\x02\x03", 1)) == b""
    assert board.receive(b"\0" + b"\x80" * 2000 + b"\0") == b""
    board.ask(Request.FEATURES_RUN)
    assert struct.unpack("<6I", board.ask(Request.STATISTICS)[1:]) == (3, 1, 77, 1, 1, 1)


POWER, SOFTWARE, WATCHDOG, LOCKUP = 1, 3, 4, 5  # causes of a reset
NONE, FAULT, UNWITNESSED = 0, 1, 3  # kinds of a crash
REGISTERS = (0x08001234, 0x08004321, 0x20003FD0, 0x8200, 0x40000000)  # pc, lr, sp, cfsr, hfsr


def crash(board: Board, forget: bool = False) -> tuple[int, ...]:
    """Return the fields of Request.CRASH_READ's answer: cause, kind, request, count, registers."""
    answer = board.ask(Request.CRASH_READ, bytes([forget]))
    assert answer[:1] == OK
    return struct.unpack("<3B6I", answer[1:])


def record(request: int = 0) -> None:
    """Crash, as the fault handler does."""
    library().crash_request(request)
    library().crash_record(FAULT, (ctypes.c_uint32 * 5)(*REGISTERS))


def test_a_crash_is_remembered_across_resets(board: Board) -> None:
    assert crash(board) == (POWER, NONE, 0, 0, 0, 0, 0, 0, 0)
    record(Request.FEATURES_RUN)
    library().harness_boot(LOGITS, SOFTWARE)
    board.open()
    assert crash(board) == (SOFTWARE, FAULT, Request.FEATURES_RUN, 1, *REGISTERS)
    library().harness_boot(LOGITS, SOFTWARE)  # asked for, not a crash
    board.open()
    assert crash(board) == (SOFTWARE, FAULT, Request.FEATURES_RUN, 1, *REGISTERS)
    record()
    library().harness_boot(LOGITS, SOFTWARE)
    board.open()
    assert crash(board) == (SOFTWARE, FAULT, 0, 2, *REGISTERS)
    for _ in range(2):
        assert crash(board, forget=True) == (SOFTWARE, NONE, 0, 0, 0, 0, 0, 0, 0)


def test_the_request_under_way_is_noted(board: Board, clip: np.ndarray) -> None:
    board.ask(Request.FEATURES_RUN)
    assert library().harness_request() == Request.FEATURES_RUN
    assert board.ask(Request.AUDIO_BEGIN) == OK
    board.write_samples(Request.AUDIO_WRITE, clip)
    board.ask(Request.AUDIO_END)
    assert library().harness_request() == Request.AUDIO_END


@pytest.mark.parametrize("cause", [WATCHDOG, LOCKUP])
def test_a_reset_by_the_hardware_is_a_crash_unless_one_was_recorded(board: Board, cause: int) -> None:
    library().crash_request(Request.AUDIO_END)
    library().harness_boot(LOGITS, cause)
    board.open()
    assert crash(board) == (cause, UNWITNESSED, Request.AUDIO_END, 1, 0, 0, 0, 0, 0)
    record(Request.FEATURES_RUN)
    library().harness_boot(LOGITS, cause)  # the report of the fault did not end
    board.open()
    assert crash(board) == (cause, FAULT, Request.FEATURES_RUN, 2, *REGISTERS)


def test_no_bit_of_a_damaged_record_is_believed(board: Board) -> None:
    """A record whose CRC does not hold is what RAM contains at power-up."""
    record(Request.FEATURES_RUN)
    bit, bits = 0, 1
    while bit < bits:
        bits = library().harness_flip(bit)
        assert crash(board)[1:4] == (NONE, 0, 0), bit
        library().harness_flip(bit)
        bit += 1
    assert bits == 8 * 4 * 11
    assert crash(board)[1:4] == (FAULT, Request.FEATURES_RUN, 1)


def test_self_test(board: Board) -> None:
    answer = board.ask(Request.SELF_TEST)
    constants = bytes(i * i % 256 for i in range(1000))
    fields = (1, 1000, zlib.crc32(constants), 1, 25_000_000, 80_000_000, 64 * 4, 3 * 4)
    assert answer == OK + struct.pack("<B7I", *fields)


@pytest.mark.parametrize("position", [0, 500, 999])
def test_a_damaged_bundle_is_not_looked_at(board: Board, position: int) -> None:
    """From boot on, or from the self-test on that finds it."""
    library().harness_damage(position)
    requests = [
        (Request.INFO, bytes(4)),
        (Request.FEATURES_WRITE, b"\0\0\1"),
        (Request.FEATURES_RUN, b""),
        (Request.FEATURES_READ, bytes(4)),
        (Request.AUDIO_BEGIN, b""),
        (Request.AUDIO_WRITE, bytes(6)),
        (Request.AUDIO_END, b""),
        (Request.STREAM_START, b"\0"),
        (Request.STREAM_WRITE, bytes(6)),
        (Request.STREAM_STOP, b""),
        (Request.PROBE_WRITE, bytes(4)),
        (Request.PROBE_READ, struct.pack("<BHH", 0, 0, 1)),
    ]
    assert board.ask(Request.SELF_TEST)[1] == 0
    assert {board.ask(*request) for request in requests} == {BAD_MODEL}
    library().harness_boot(LOGITS, SOFTWARE)
    board.open()
    assert {board.ask(*request) for request in requests} == {BAD_MODEL}
    assert board.ask(0x7F) == UNKNOWN
    assert board.ask(Request.HELLO) == OK + bytes(13)
    assert board.ask(Request.SELF_TEST)[1] == 0
    assert board.ask(Request.STATISTICS)[:1] == OK
    assert crash(board)[:2] == (SOFTWARE, NONE)
    written = ctypes.create_string_buffer(200)
    count = library().harness_greet(written, 200)
    greeting = (
        b"# tinyscene 1.2.3 board=harness protocol=2: the bundle in its flash is damaged; flash the firmware again\r\n"
    )
    assert written.raw[:count] == greeting
