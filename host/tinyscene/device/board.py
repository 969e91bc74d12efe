"""A board behind a link: what it is, and clips sent to it completely, even if it restarts on the way."""

import contextlib
import functools
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyscene.device.chunks import Chunks
from tinyscene.device.description import MOST_INFO, DeviceInfo, info_read
from tinyscene.device.link import ForeignError, Link, RefusedError
from tinyscene.device.messages import (
    CLIP_AFTER_CLIP,
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
    unpack_bytes,
    unpack_probe_read,
    unpack_profile_read,
)
from tinyscene.device.protocol import ProtocolError
from tinyscene.errors import LinkError
from tinyscene.firmware import MAX_PAYLOAD, Request, Status
from tinyscene.frontend import Stage

RUN_TIMEOUT = 10.0  # seconds for the first inference; later ones get the time of the last one and some more
TRANSFERS = 5  # times that one clip is sent to a board that keeps restarting
# how a board refuses data whose beginning it no longer has
FORGOTTEN = (Status.BAD_SESSION, Status.BAD_STATE, Status.BAD_OFFSET)
MOST_STAGE_VALUES = 0xFFFF

Answer = TypeVar("Answer")


class MisheardError(LinkError):
    """A board that answered for other data than it was sent."""


class Board:
    """The requests as methods.

    Args:
        link: an open link; the board is asked at once what it is.
        expected: identity of the bundle that it must carry, checked now and whenever it restarts.

    Attributes:
        info: the board's latest description of itself.
        transfers_repeated: clips sent again because the board restarted while it received them, or misheard them.

    Raises:
        ForeignError: another protocol version, or another bundle than `expected`.
        LinkError: no answer.
    """

    def __init__(self, link: Link, expected: str | None = None) -> None:
        self.link = link
        self.expected = expected
        self.transfers_repeated = 0
        self._run_timeout = RUN_TIMEOUT
        self._chunks = Chunks(link, MAX_PAYLOAD)
        self.info = self.identify()

    def identify(self) -> DeviceInfo:
        """Ask the board what it is, and refuse one with another protocol or bundle."""
        for _ in range(TRANSFERS):
            greeting = self.link.greet()
            try:
                self.info = self._describe(max(1, greeting.description_bytes))
            except RefusedError as error:
                if error.status not in FORGOTTEN:
                    raise
                continue
            if self.info.greeting == greeting:
                break
        else:
            raise LinkError(
                f"the board at {self.link.url} restarted or contradicted itself {TRANSFERS} times while it said what "
                "it is; check its power and its cable, or flash firmware of this version of tinyscene"
            )
        if self.expected not in (None, self.info.identity):
            raise ForeignError(
                f"the board at {self.link.url} carries bundle {self.info.bundle!r} with identity {self.info.identity}, "
                f"not {self.expected}; export the bundle (tinyscene export BUNDLE), then build and flash it "
                f"(make flash BOARD={self.info.board}) or name the bundle that it carries"
            )
        return self.info

    def _describe(self, count: int) -> DeviceInfo:
        """Read a description of so many bytes."""
        description = bytearray()

        def read(begin: int, end: int, attempts: int | None) -> None:
            unpack = functools.partial(unpack_bytes, count=end - begin)
            payload = info_read(begin, end - begin)
            description.extend(self.link.ask(Request.INFO, unpack, payload, attempts=attempts))

        _finish(self._chunks.transfer(count, MOST_INFO, 1, read))
        try:
            return DeviceInfo.unpack(bytes(description))
        except ProtocolError as error:
            raise self.link.unreadable(Request.INFO, error) from error

    def statistics(self) -> Statistics:
        """Return the board's counters."""
        return self.link.ask(Request.STATISTICS, Statistics.unpack)

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
            answer = self._run(Request.FEATURES_RUN, Inference.unpack_features_run)
            self._require_same(values, answer.image_crc)
            return answer

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

        def show() -> tuple[Inference, NDArray[np.int8]]:
            answer, image = hear(), self.read_features()
            self._require_same(image.tobytes(), answer.image_crc)
            return answer, image

        return self._whole(show)

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
            heard = hear()
            unpack = functools.partial(ProfileRun.unpack, classes=len(self.info.labels))
            run = self.link.ask(Request.PROFILE_RUN, unpack, timeout=self._run_timeout)
            if run.image_crc != heard.image_crc:
                raise self._misheard()
            ticks: list[int] = []

            def read(begin: int, end: int, attempts: int | None) -> None:
                unpack = functools.partial(unpack_profile_read, count=end - begin)
                payload = profile_read(begin, end - begin)
                ticks.extend(self.link.ask(Request.PROFILE_READ, unpack, payload, attempts=attempts))

            _finish(self._chunks.transfer(run.layers, (self._payload - 1) // 4, 4, read))  # after the answer's status
            return run, tuple(ticks)

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
            answer = self._run(Request.AUDIO_END, Inference.unpack_audio_end)
            self._require_same(samples.astype("<i2").tobytes(), answer.samples_crc)
            return answer

        return send

    def read_features(self) -> NDArray[np.int8]:
        """Return the board's last INT8 image, received or computed, int8 [mels, frames]."""
        values = bytearray()

        def read(begin: int, end: int, attempts: int | None) -> None:
            unpack = functools.partial(unpack_bytes, count=end - begin)
            payload = features_read(begin, end - begin)
            values.extend(self.link.ask(Request.FEATURES_READ, unpack, payload, attempts=attempts))

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
            unpack = functools.partial(unpack_probe_read, offset=begin, count=end - begin)
            payload = probe_read(stage, begin, end - begin)
            total, part = self.link.ask(Request.PROBE_READ, unpack, payload, attempts=attempts)
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
        unpack = functools.partial(StreamStatus.unpack, classes=len(self.info.labels))
        return self.link.ask(Request.STREAM_STATUS, unpack)

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

    def _run(self, request: Request, unpack: Callable[[bytes, int], Inference]) -> Inference:
        begin = time.monotonic()
        classes = len(self.info.labels)
        answer = self.link.ask(request, lambda body: unpack(body, classes), timeout=self._run_timeout)
        self._run_timeout = min(RUN_TIMEOUT, 1.0 + 4 * (time.monotonic() - begin))
        return answer

    def _require_same(self, data: bytes, crc: int | None) -> None:
        if zlib.crc32(data) != crc:
            raise self._misheard()

    def _misheard(self) -> MisheardError:
        return MisheardError(
            f"the board at {self.link.url} answers for other data than it was sent; check its memory with `tinyscene "
            "device info`, and what lies between it and this host"
        )

    def _whole(self, send: Callable[[], Answer]) -> Answer:
        """Make all requests of a clip or frame; repeat them if the board has restarted or misheard."""
        for _ in range(TRANSFERS):
            try:
                return send()
            except MisheardError as error:
                failure: LinkError = error
            except RefusedError as error:
                if error.status not in FORGOTTEN:
                    raise
                failure = error if error.status is not Status.BAD_SESSION else self._restarts()
            self.transfers_repeated += 1
            if self.link.greeting != self.info.greeting:
                self.identify()
        raise failure

    def _restarts(self) -> LinkError:
        return LinkError(
            f"the board at {self.link.url} restarted {TRANSFERS} times while it received one clip; "
            "check its power, its cable and its watchdog"
        )


def _finish(transfer: Iterator[int]) -> None:
    """Run a transfer to its end."""
    deque(transfer, maxlen=0)
