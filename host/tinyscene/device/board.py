"""A board behind a link: what it is, and clips sent to it completely, even if it restarts on the way."""

import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyscene.device.chunks import Chunks
from tinyscene.device.link import Link, RefusedError
from tinyscene.device.messages import (
    CLIP_AFTER_CLIP,
    DeviceInfo,
    Inference,
    ProfileRun,
    Source,
    Statistics,
    StreamOptions,
    StreamStatus,
    features_read,
    features_write,
    most_probe_values,
    probe_read,
    probe_write,
    profile_read,
    samples_write,
    unpack_probe_read,
    unpack_profile_read,
)
from tinyscene.device.protocol import ProtocolError
from tinyscene.errors import LinkError
from tinyscene.firmware import MAX_PAYLOAD, VERSION, Request, Status
from tinyscene.frontend import Stage

RUN_TIMEOUT = 10.0  # seconds for the first inference; later ones get the time of the last one and some more
TRANSFERS = 5  # times that one clip is sent to a board that keeps restarting
FORGOTTEN = (Status.BAD_STATE, Status.BAD_OFFSET)  # how a board refuses data whose beginning it no longer has
MOST_STAGE_VALUES = 0xFFFF

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Mark:
    """The frames that a board had counted, and our numbers of requests and repetitions at that moment."""

    frames_ok: int
    requests: int
    repetitions: int


class ForeignError(LinkError):
    """A board with another bundle or protocol version than the expected one."""


class Board:
    """The requests as methods.

    Args:
        link: an open link; the board is asked at once what it is.
        expected: identity of the bundle that it must carry, checked now and whenever it restarts.

    Attributes:
        info: the board's latest description of itself.
        transfers_repeated: clips sent again because the board restarted while it received them.

    Raises:
        ForeignError: another protocol version, or another bundle than `expected`.
        LinkError: no answer.
    """

    def __init__(self, link: Link, expected: str | None = None) -> None:
        self.link = link
        self.expected = expected
        self.transfers_repeated = 0
        self._run_timeout = RUN_TIMEOUT
        self._mark: _Mark | None = None
        self._chunks = Chunks(link, MAX_PAYLOAD)
        self.info = self.identify()

    def identify(self) -> DeviceInfo:
        """Ask the board what it is, and refuse one with another protocol or bundle."""
        self.info = self._unpack(DeviceInfo.unpack, self.link.request(Request.INFO))
        if self.info.protocol != VERSION:
            raise ForeignError(
                f"the board at {self.link.url} speaks protocol version {self.info.protocol}, this host {VERSION}; "
                "flash firmware of this version of tinyscene"
            )
        if self.expected not in (None, self.info.identity):
            raise ForeignError(
                f"the board at {self.link.url} carries bundle {self.info.bundle!r} with identity {self.info.identity}, "
                f"not {self.expected}; export the bundle (tinyscene export BUNDLE), then build and flash it "
                f"(make flash BOARD={self.info.board}) or name the bundle that it carries"
            )
        return self.info

    def statistics(self) -> Statistics:
        """Return the board's counters."""
        return self._unpack(Statistics.unpack, self.link.request(Request.STATISTICS))

    def classify_features(self, image: NDArray[np.int8]) -> Inference:
        """Run the model on one INT8 image.

        Args:
            image: int8 [mels, frames] (or [mels, frames, 1]), from `Bundle.quantised_features`.

        Raises:
            LinkError: another shape than the board's, no answer, or the board refused.
        """
        if image.dtype != np.int8 or image.size != self.info.features or image.shape[0] != self.info.mels:
            raise LinkError(
                f"features of type {image.dtype} and shape {image.shape} for a board that takes int8 "
                f"({self.info.mels}, {self.info.frames}); use the bundle that the board carries"
            )
        values = image.tobytes()

        def write(begin: int, end: int, attempts: int | None) -> None:
            self.link.request(Request.FEATURES_WRITE, features_write(begin, values[begin:end]), attempts=attempts)

        def send() -> Inference:
            _finish(self._chunks.transfer(len(values), self._payload - len(features_write(0, b"")), 1, write))
            return self._run(Request.FEATURES_RUN, Inference.unpack_features_run)

        return self._whole(send)

    def classify_audio(self, samples: NDArray[np.int16]) -> Inference:
        """Run the front end and the model on one clip.

        Args:
            samples: int16 [clip_samples] at the board's rate.

        Raises:
            LinkError: another length than the board's clips, no answer, or the board refused.
        """
        return self._whole(self._hearing(samples))

    def classify_and_show(self, samples: NDArray[np.int16]) -> tuple[Inference, NDArray[np.int8]]:
        """Do the same as `classify_audio`, and also return the front end's INT8 image [mels, frames]."""
        hear = self._hearing(samples)
        return self._whole(lambda: (hear(), self.read_features()))

    def profile(self, samples: NDArray[np.int16]) -> tuple[ProfileRun, tuple[int, ...]]:
        """Do the same as `classify_audio`, and return the ticks of the parts and of each layer of the model.

        The layers are measured in a second run of the model on the same image.

        Args:
            samples: int16 [clip_samples] at the board's rate.

        Raises:
            LinkError: as for `classify_audio`, or the firmware is older than this request.
        """
        hear = self._hearing(samples)

        def measure() -> tuple[ProfileRun, tuple[int, ...]]:
            hear()
            run = self._unpack(ProfileRun.unpack, self.link.request(Request.PROFILE_RUN, timeout=self._run_timeout))
            ticks: tuple[int, ...] = ()
            while len(ticks) < run.layers:
                count = min(run.layers - len(ticks), (self._payload - 1) // 4)  # after the answer's status
                body = self.link.request(Request.PROFILE_READ, profile_read(len(ticks), count))
                ticks += self._unpack(functools.partial(unpack_profile_read, count=count), body)
            return run, ticks

        return self._whole(measure)

    def _hearing(self, samples: NDArray[np.int16]) -> Callable[[], Inference]:
        """Return a function that sends one clip and has it classified."""
        if samples.dtype != np.int16 or samples.shape != (self.info.clip_samples,):
            raise LinkError(
                f"samples of type {samples.dtype} and shape {samples.shape} for a board whose clips are int16 "
                f"({self.info.clip_samples},) at {self.info.sample_rate} Hz; use the bundle that the board carries"
            )

        def send() -> Inference:
            self.link.request(Request.AUDIO_BEGIN)
            _finish(self._send_samples(Request.AUDIO_WRITE, samples))
            return self._run(Request.AUDIO_END, Inference.unpack_audio_end)

        return send

    def read_features(self) -> NDArray[np.int8]:
        """Return the board's last INT8 image, received or computed, int8 [mels, frames]."""
        values = bytearray()

        def read(begin: int, end: int, attempts: int | None) -> None:
            payload = features_read(begin, end - begin)
            values.extend(self.link.request(Request.FEATURES_READ, payload, attempts=attempts))

        _finish(self._chunks.transfer(self.info.features, self._payload - 1, 1, read))  # after the answer's status
        return np.frombuffer(bytes(values), np.int8).reshape(self.info.mels, self.info.frames)

    def probe(self, samples: NDArray[np.int16]) -> dict[Stage, NDArray[np.float32]]:
        """Run the front end on one frame and return the values of each stage; ends a clip or stream in progress.

        Args:
            samples: samples under the window, int16 [win_length].

        Raises:
            LinkError: no answer, or the board refused.
        """

        def write(begin: int, end: int, attempts: int | None) -> None:
            self.link.request(Request.PROBE_WRITE, probe_write(begin, samples[begin:end]), attempts=attempts)

        def look() -> dict[Stage, NDArray[np.float32]]:
            most = (self._payload - len(probe_write(0, samples[:0]))) // samples.itemsize
            _finish(self._chunks.transfer(len(samples), most, samples.itemsize, write))
            return {stage: self._read_stage(stage) for stage in Stage}

        return self._whole(look)

    def _read_stage(self, stage: Stage) -> NDArray[np.float32]:
        values, total = np.empty(0, np.float32), 1

        def read(begin: int, end: int, attempts: int | None) -> None:
            nonlocal values, total
            answer = self.link.request(Request.PROBE_READ, probe_read(stage, begin, end - begin), attempts=attempts)
            total, part = self._unpack(unpack_probe_read, answer)
            values = np.append(values, part)

        for _ in self._chunks.transfer(MOST_STAGE_VALUES, most_probe_values(self._payload), values.itemsize, read):
            if len(values) >= total:
                break
        return values

    @contextlib.contextmanager
    def listening(self, options: StreamOptions) -> Iterator[None]:
        """Let the board stream with these options: it prints two text lines for every result.

        Raises:
            LinkError: no answer, or the board cannot stream: it has no microphone, or one that does not start or runs
                at another rate than its bundle.
        """
        try:
            self.link.request(Request.STREAM_START, options.pack())
        except RefusedError as error:
            if options.source is not Source.MICROPHONE or error.status is not Status.BAD_STATE:
                raise
            raise LinkError(
                f"the board {self.info.board} has no microphone that runs at its bundle's {self.info.sample_rate} Hz: "
                "make one for the microphone's rate (tinyscene at-rate BUNDLE 41667 for the Nano 33 BLE Sense, 44100 "
                "for the 32L496GDISCOVERY), or play a file to the board with --audio"
            ) from error
        answers = True
        try:
            yield
        except LinkError:
            answers = False
            raise
        finally:
            if answers:
                self.link.request(Request.STREAM_STOP)

    def stream_status(self) -> StreamStatus:
        """Return the status of the stream in progress."""
        return self._unpack(StreamStatus.unpack, self.link.request(Request.STREAM_STATUS))

    def stream(
        self, samples: NDArray[np.int16], options: StreamOptions = CLIP_AFTER_CLIP
    ) -> Generator[int, None, None]:
        """Play samples to the board, which prints text lines for every result; yields the number of samples sent.

        Close the iterator to stop early.

        Args:
            samples: int16 [n] at the board's rate.
            options: how the board should stream them.

        Raises:
            LinkError: no answer, or the board restarted while it was listening.
        """
        with self.listening(options), contextlib.suppress(GeneratorExit):
            # The board answers the piece that completes a result only after the model has run.
            try:
                yield from self._send_samples(Request.STREAM_WRITE, samples, timeout=RUN_TIMEOUT)
            except RefusedError as error:
                if error.status not in FORGOTTEN:
                    raise
                raise LinkError(
                    f"the board at {self.link.url} restarted while it was listening; start the stream again"
                ) from error

    @property
    def _payload(self) -> int:
        return min(MAX_PAYLOAD, self.info.max_payload)

    def _send_samples(
        self, request: Request, samples: NDArray[np.int16], timeout: float | None = None
    ) -> Iterator[int]:
        """Send samples piece by piece; yields how many the board has."""

        def write(begin: int, end: int, attempts: int | None) -> None:
            payload = samples_write(begin, samples[begin:end])
            self.link.request(request, payload, timeout=timeout, attempts=attempts)

        most = (self._payload - len(samples_write(0, samples[:0]))) // samples.itemsize
        return self._chunks.transfer(len(samples), most, samples.itemsize, write)

    def _run(self, request: Request, unpack: Callable[[bytes], Inference]) -> Inference:
        begin = time.monotonic()
        answer = self._unpack(unpack, self.link.request(request, timeout=self._run_timeout))
        if len(answer.outputs) != len(self.info.labels):
            raise LinkError(
                f"the board gave {len(answer.outputs)} outputs for {len(self.info.labels)} classes; "
                "flash firmware of this version of tinyscene"
            )
        self._run_timeout = min(RUN_TIMEOUT, 1.0 + 4 * (time.monotonic() - begin))
        return answer

    def _whole(self, send: Callable[[], Answer]) -> Answer:
        """Make all requests of a clip or frame; repeat them if the board has restarted since it was last identified."""
        if self._mark is None:
            self._set_mark()
        for _ in range(TRANSFERS):
            refusal = None
            try:
                answer = send()
                if self._stayed_up():
                    return answer
            except RefusedError as error:
                if error.status not in FORGOTTEN:
                    raise
                refusal = error
            self.transfers_repeated += 1
            self._set_mark()
        raise refusal or LinkError(
            f"the board at {self.link.url} restarted {TRANSFERS} times while it received one clip; "
            "check its power, its cable and its watchdog"
        )

    def _set_mark(self) -> None:
        """Note the board's count of frames, then check that it is the right board."""
        self._mark = _Mark(self.statistics().frames_ok, self.link.requests, self.link.repetitions)
        self.identify()

    def _stayed_up(self) -> bool:
        """Whether the board cannot have restarted unnoticed since the mark, judged by its count of frames.

        FEATURES_RUN also answers after a restart, when a part of the image is lost. A board that restarted has counted
        fewer frames than were sent since the mark, unless repetitions made up for all frames before the mark.
        """
        mark = self._mark
        now = _Mark(self.statistics().frames_ok, self.link.requests, self.link.repetitions)
        if mark is None or now.repetitions - mark.repetitions >= mark.frames_ok:
            return False
        self._mark = now
        return now.frames_ok - mark.frames_ok >= now.requests - mark.requests

    def _unpack(self, unpack: Callable[[bytes], Answer], body: bytes) -> Answer:
        try:
            return unpack(body)
        except ProtocolError as error:
            raise LinkError(f"{self.link.url}: {error}; flash firmware of this version of tinyscene") from error


def _finish(transfer: Iterator[int]) -> None:
    """Run a transfer to its end."""
    deque(transfer, maxlen=0)
