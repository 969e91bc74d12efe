"""Sounds of a city made from DSP primitives: each source is a function of a random generator and one second long.

Every source returns [44100] float64 of unit RMS. All filtering is circular (through one FFT of the whole second), so a
clip has no fade at its ends and reverberates as if it had been cut out of a longer recording.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft

RATE = 44100  # Hz
SAMPLES = 44100

Signal = NDArray[np.float64]  # [SAMPLES]
Spectrum = NDArray[np.floating] | NDArray[np.complexfloating]  # [SAMPLES // 2 + 1], one value a hertz
Source = Callable[[Generator], Signal]

TIME: Signal = np.arange(SAMPLES) / RATE
HERTZ: NDArray[np.float64] = fft.rfftfreq(SAMPLES, 1 / RATE)
_SAFE_HERTZ = np.maximum(HERTZ, 1.0)

_GLOTTAL = 1 / np.arange(1, 40) ** 0.8  # amplitudes of the voice's harmonics
# First three formants of vowels, Hz: /a/ /e/ /i/ /o/ (Peterson and Barney 1952, men, rounded)
_VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410))


def unit(signal: Signal) -> Signal:
    """Scale to RMS 1; silence stays silence."""
    level = np.sqrt(np.mean(np.square(signal)))
    return signal / level if level > 0 else signal


def filtered(signal: Signal, response: Spectrum) -> Signal:
    """Apply a frequency response, circularly."""
    return fft.irfft(fft.rfft(signal) * response, SAMPLES)


def band(low: float, high: float, order: int = 2) -> NDArray[np.float64]:
    """Return the magnitude response of a Butterworth-like band pass between two frequencies in Hz."""
    below: NDArray[np.float64] | float = 1.0
    above: NDArray[np.float64] | float = 1.0
    for _ in range(order):
        below, above = below * np.square(low / _SAFE_HERTZ), above * np.square(HERTZ / high)
    return 1 / np.sqrt((1 + below) * (1 + above))


def tilt(decibels_per_octave: float) -> NDArray[np.float64]:
    """Return a magnitude response that falls or rises steadily around 1 kHz."""
    return np.power(10.0, decibels_per_octave / 20 * np.log2(np.maximum(HERTZ, 20.0) / 1000))


def noise(rng: Generator, response: NDArray[np.float64]) -> Signal:
    """Return Gaussian noise with a magnitude response."""
    spectrum = rng.standard_normal(len(HERTZ)) + 1j * rng.standard_normal(len(HERTZ))
    spectrum[0] = 0
    return unit(fft.irfft(spectrum * response, SAMPLES))


def wander(rng: Generator, hertz: float, depth: float) -> Signal:
    """Return a positive, slowly changing factor around 1: exp(depth * noise below `hertz`)."""
    bins, points = int(hertz) + 1, 441
    spectrum = np.zeros(points // 2 + 1, complex)
    spectrum[1 : bins + 1] = rng.standard_normal(bins) + 1j * rng.standard_normal(bins)
    slow = np.exp(depth * unit(fft.irfft(spectrum, points)))
    return np.interp(TIME * points, np.arange(points + 1), np.append(slow, slow[0]))


def tone(phase: Signal, amplitudes: NDArray[np.floating]) -> Signal:
    """Return harmonics 1, 2, ... of a phase in turns, read from one period's table."""
    table_size = 4096
    spectrum = np.zeros(table_size // 2 + 1, complex)
    spectrum[1 : len(amplitudes) + 1] = amplitudes * np.exp(2j * np.arange(len(amplitudes)) ** 2)  # no common peak
    table = fft.irfft(spectrum, table_size) * table_size
    return table[(phase * table_size).astype(np.int64) & (table_size - 1)]


def phase_of(rng: Generator, frequency: Signal) -> Signal:
    """Integrate a frequency in Hz to a phase in turns, from a random start."""
    return rng.random() + np.cumsum(frequency) / RATE


def strikes(times: NDArray[np.floating], gains: NDArray[np.floating], kernel: NDArray[np.float64]) -> Signal:
    """Put a copy of `kernel`, of any length up to the clip's, at every time (seconds, modulo the clip)."""
    train = np.zeros(SAMPLES)
    np.add.at(train, (np.asarray(times) * RATE).astype(np.int64) % SAMPLES, gains)
    return filtered(train, fft.rfft(kernel, SAMPLES))


def ringing(rng: Generator, hertz: NDArray[np.floating], seconds: float) -> Signal:
    """Return decaying partials struck at once (metal, wood, a step), down to -70 dB; at most a second long."""
    time = TIME[: int(8 * seconds * RATE)]
    levels = rng.uniform(0.3, 1.0, len(hertz))
    return levels @ np.sin(2 * np.pi * np.outer(hertz, time)) * np.exp(-time / seconds)


def _vowel(formants: tuple[int, ...], size: float) -> NDArray[np.float64]:
    peaks = [1 / (1 + ((HERTZ - size * formant) / (60 + 0.04 * formant)) ** 2) for formant in formants]
    return sum(level * peak for level, peak in zip((1.0, 0.5, 0.25), peaks, strict=True)) * band(100, 5000)


def voices(rng: Generator, speakers: int) -> Signal:
    """Return people speaking at once: pulse trains through vowels in syllables, and sibilants between them."""
    by_vowel = np.zeros((len(_VOWELS), SAMPLES))
    hiss = np.zeros(SAMPLES)
    intonation = wander(rng, 4, 0.08)
    for _ in range(speakers):
        pitch = rng.uniform(90, 240) * np.roll(intonation, rng.integers(SAMPLES))
        pulse = tone(phase_of(rng, pitch), _GLOTTAL)
        onset, loudness = rng.uniform(-0.3, 0.1), rng.uniform(0.4, 1.0)
        while onset < 1:
            length = rng.uniform(0.1, 0.28)
            start, end = max(0, int(onset * RATE)), min(SAMPLES, int((onset + length) * RATE))
            if end > start:
                shape = loudness * np.sin(np.pi * np.arange(end - start) / (end - start)) ** 2
                if rng.random() < 0.2:
                    hiss[start:end] += 0.3 * shape
                else:
                    by_vowel[rng.integers(len(_VOWELS)), start:end] += shape * pulse[start:end]
            onset += length * rng.uniform(0.8, 1.6)
    size = rng.uniform(0.95, 1.2)
    spectra = fft.rfft(by_vowel)
    spoken = sum(spectrum * _vowel(vowel, size) for spectrum, vowel in zip(spectra, _VOWELS, strict=True))
    return unit(unit(fft.irfft(spoken, SAMPLES)) + hiss * noise(rng, band(3500, 9000)))


def talk(rng: Generator) -> Signal:
    """One or two people nearby."""
    return voices(rng, int(rng.integers(1, 3)))


def babble(rng: Generator) -> Signal:
    """A crowd."""
    return voices(rng, int(rng.integers(5, 12)))


def announcement(rng: Generator) -> Signal:
    """One voice through a horn loudspeaker, sometimes after a two-tone chime."""
    spoken = filtered(voices(rng, 1), band(350, 3500, 3))
    if rng.random() < 0.5:
        pitch = rng.uniform(500, 800)
        chime = [ringing(rng, pitch * step * np.array([1.0, 2.0, 3.0]), 0.25) for step in (1.0, 0.8)]
        gains = np.ones(1)
        spoken = unit(spoken) + 2 * unit(strikes(np.zeros(1), gains, chime[0]) + strikes(gains * 0.4, gains, chime[1]))
    return unit(spoken)


def music(rng: Generator) -> Signal:
    """A chord with a beat from a small loudspeaker."""
    root = rng.uniform(110, 220)
    third = rng.choice([3, 4])
    chord = sum(
        tone(phase_of(rng, np.full(SAMPLES, root * 2 ** (step / 12))), 1 / np.arange(1, 12) ** 1.2)
        for step in (0, third, 7, 12)
    )
    beat = rng.uniform(0.25, 0.5)
    times = np.arange(rng.uniform(0, beat), 1, beat)
    drum = strikes(times, np.ones(len(times)), noise(rng, band(2000, 12000)) * np.exp(-TIME / 0.03))
    pluck = strikes(times, np.ones(len(times)), np.exp(-TIME / 0.3))
    return unit(filtered(unit(chord * pluck) + 0.7 * unit(drum), band(150, 9000)))


def engine(rng: Generator) -> Signal:
    """A diesel: harmonics of the firing rate that wander, and noise in their rhythm."""
    phase = phase_of(rng, rng.uniform(22, 60) * wander(rng, 2, 0.06))
    harmonics = rng.uniform(0.2, 1.0, 24) / np.arange(1, 25) ** rng.uniform(0.4, 1.0)
    rhythm = 1 + 0.6 * np.sin(2 * np.pi * phase)
    return unit(unit(tone(phase, harmonics)) + 0.5 * rhythm * noise(rng, band(100, 2500)))


def rumble(rng: Generator) -> Signal:
    """The low roar of wheels under a cabin."""
    return unit(noise(rng, band(25, rng.uniform(90, 250))) * wander(rng, 3, 0.25))


def rails(rng: Generator) -> Signal:
    """Rolling steel: a mid band roar, and the double click of rail joints."""
    roll = noise(rng, band(rng.uniform(150, 400), rng.uniform(1200, 3000))) * wander(rng, 6, 0.2)
    spacing = rng.uniform(0.3, 0.7)
    first = np.arange(rng.uniform(0, spacing), 1, spacing)
    times = np.concatenate([first, first + rng.uniform(0.06, 0.12)])
    click = ringing(rng, rng.uniform(300, 3500, 8), 0.02)
    return unit(roll + rng.uniform(0.3, 1.2) * unit(strikes(times, rng.uniform(0.5, 1, len(times)), click)))


def tunnel(rng: Generator) -> Signal:
    """The roar of a tunnel through the windows, in the rhythm of its pillars."""
    phase = phase_of(rng, rng.uniform(6, 13) * wander(rng, 2, 0.05))
    pillars = 1 / (1 + np.exp(-4 * np.sin(2 * np.pi * phase)))
    return unit(noise(rng, band(rng.uniform(200, 350), rng.uniform(900, 1800))) * (0.25 + pillars))


def squeal(rng: Generator) -> Signal:
    """Wheels or brakes in a curve: high narrow tones that glide."""
    frequency = rng.uniform(1800, 5000) * wander(rng, 3, 0.04)
    return unit(tone(phase_of(rng, frequency), np.array([1.0, 0.4, 0.2])) * wander(rng, 4, 0.7))


def whine(rng: Generator) -> Signal:
    """A traction motor that speeds up or slows down."""
    start, end = rng.uniform(250, 900), rng.uniform(250, 900)
    return unit(tone(phase_of(rng, start + (end - start) * TIME), np.array([1.0, 0.3, 0.5, 0.1, 0.2])))


def train(rng: Generator) -> Signal:
    """A train that runs in or out of a station: rolling steel that swells or fades, and brakes."""
    approach = TIME if rng.random() < 0.5 else 1 - TIME
    swell = 10 ** (-rng.uniform(4, 14) / 20 * approach)
    brakes = squeal(rng) * np.clip(np.sin(np.pi * (TIME - rng.uniform(-0.3, 0.3))), 0, 1)
    return unit(rails(rng) * swell + rng.uniform(0.3, 0.9) * brakes)


def escalator(rng: Generator) -> Signal:
    """A moving staircase: the hum of its drive, and its steps and chain that clatter steadily."""
    phase = phase_of(rng, np.full(SAMPLES, rng.uniform(85, 140)))
    hum = tone(phase, rng.uniform(0.3, 1.0, 10) / np.arange(1, 11) ** 0.5)
    times = np.arange(rng.uniform(0, 0.1), 1, rng.uniform(0.07, 0.12))
    clack = ringing(rng, rng.uniform(250, 1800, 6), 0.02)
    return unit(unit(hum) + rng.uniform(0.6, 1.2) * unit(strikes(times, rng.uniform(0.7, 1, len(times)), clack)))


def traffic(rng: Generator) -> Signal:
    """Many cars far away."""
    return unit(noise(rng, band(60, 900, 1) * tilt(-2)) * wander(rng, 2, 0.2))


def passing(rng: Generator) -> Signal:
    """A car that passes: tyre noise that swells and fades."""
    middle, width = rng.uniform(0, 1), rng.uniform(0.2, 0.6)
    swell = 1 / (1 + ((TIME - middle) / width) ** 2)
    return unit(noise(rng, band(rng.uniform(250, 600), rng.uniform(1500, 4000), 1)) * swell + 0.2 * engine(rng) * swell)


def horn(rng: Generator) -> Signal:
    """Two reeds of a car horn for part of the second."""
    pitch = rng.uniform(350, 500)
    start, length = rng.uniform(0, 0.6), rng.uniform(0.15, 0.5)
    gate = ((start <= TIME) & (start + length > TIME)).astype(np.float64)
    reeds = [tone(phase_of(rng, np.full(SAMPLES, pitch * ratio)), np.ones(10)) for ratio in (1.0, 1.25)]
    return unit((reeds[0] + reeds[1]) * gate)


def footsteps(rng: Generator) -> Signal:
    """A few walkers: a thump of the heel and a scrape of the sole."""
    steps = np.zeros(SAMPLES)
    scrape = noise(rng, band(1500, 9000))[: RATE // 5]
    scrape *= np.exp(-TIME[: len(scrape)] / 0.03)
    for _ in range(rng.integers(1, 5)):
        pace = rng.uniform(0.42, 0.65)
        times = np.arange(rng.uniform(0, pace), 1, pace)
        step = rng.uniform(0.1, 0.6) * scrape
        heel = ringing(rng, rng.uniform(80, 1500, 5), 0.015)
        step[: len(heel)] += heel
        steps += rng.uniform(0.2, 1) * unit(strikes(times, rng.uniform(0.4, 1, len(times)), step))
    return unit(steps)


def trolley(rng: Generator) -> Signal:
    """Small wheels over tiles: a dry rattle of many clicks."""
    rate = rng.uniform(15, 40)
    times = np.arange(0, 1, 1 / rate) + rng.normal(0, 0.004, int(np.ceil(rate)))
    click = ringing(rng, rng.uniform(500, 4000, 6), 0.006)
    return unit(strikes(times, rng.uniform(0.3, 1, len(times)), click) * wander(rng, 2, 0.4))


def doors(rng: Generator) -> Signal:
    """Warning beeps, air, and a thump."""
    pitch, start = rng.uniform(900, 2200), rng.uniform(0, 0.5)
    beeps = tone(phase_of(rng, np.full(SAMPLES, pitch)), np.array([1.0, 0.2, 0.3])) * (np.sin(40 * TIME) > 0)
    air = noise(rng, band(2000, 12000)) * np.exp(-(((TIME - start) / 0.15) ** 2))
    thump = strikes(np.array([start + 0.4]), np.ones(1), ringing(rng, rng.uniform(50, 250, 4), 0.05))
    return unit(rng.uniform(0, 1) * unit(beeps) + unit(air) + unit(thump))


def birds(rng: Generator) -> Signal:
    """Chirps: short tones that sweep between 2 and 8 kHz."""
    song = np.zeros(SAMPLES)
    for _ in range(rng.integers(1, 4)):
        centre, span = rng.uniform(2500, 6500), rng.uniform(-1500, 1500)
        length = rng.uniform(0.04, 0.15)
        place = np.minimum(TIME / length, 1)
        chirp = np.sin(2 * np.pi * np.cumsum(centre + span * place) / RATE) * np.sin(np.pi * place) ** 2
        times = rng.uniform(0, 1) + np.arange(rng.integers(2, 7)) * length * rng.uniform(1.2, 2.5)
        song += rng.uniform(0.3, 1) * strikes(times, np.ones(len(times)), chirp)
    return unit(song)


def wind(rng: Generator) -> Signal:
    """Gusts on the microphone."""
    return unit(noise(rng, band(15, rng.uniform(60, 200), 1)) * wander(rng, 3, 0.6))


def leaves(rng: Generator) -> Signal:
    """Rustling foliage: high noise in gusts."""
    return unit(noise(rng, band(2000, 12000, 1)) * wander(rng, 4, 0.4))


def fountain(rng: Generator) -> Signal:
    """Falling water: a bright, steady hiss, and drops that ring as they fall."""
    drops = rng.integers(30, 90)
    fall = ringing(rng, rng.uniform(900, 3500, 3), 0.006)
    splashes = strikes(rng.uniform(0, 1, drops), rng.uniform(0.2, 1, drops), fall)
    return unit(noise(rng, band(rng.uniform(900, 2000), 12000, 1)) + rng.uniform(0.3, 0.8) * unit(splashes))


def jet(rng: Generator) -> Signal:
    """An aeroplane on the apron: a deep roar and the whistle of its turbines."""
    pitch = rng.uniform(2200, 3600) * wander(rng, 1, 0.02)
    whistle = tone(phase_of(rng, pitch), np.array([1.0, 0.3]))
    return unit(noise(rng, band(80, rng.uniform(600, 1500), 1)) + rng.uniform(0.15, 0.4) * unit(whistle))


def ventilation(rng: Generator) -> Signal:
    """Air ducts and the hum of their motors."""
    phase = phase_of(rng, np.full(SAMPLES, rng.choice([50.0, 100.0])))
    hum = unit(tone(phase, rng.uniform(0, 1, 8) / np.arange(1, 9)))
    return unit(noise(rng, band(60, rng.uniform(500, 3000), 1)) + rng.uniform(0.1, 0.5) * hum)


def bell(rng: Generator) -> Signal:
    """A tram's or a church's bell."""
    pitch = rng.uniform(400, 1500)
    partials = pitch * np.array([1.0, 2.0, 2.4, 3.0, 4.5])
    times = rng.uniform(0, 0.3) + np.arange(rng.integers(1, 4)) * 0.3
    return unit(strikes(times, np.ones(len(times)), ringing(rng, partials, 0.3)))


def scanner(rng: Generator) -> Signal:
    """Short beeps of a till."""
    beep = np.sin(2 * np.pi * rng.uniform(1500, 3000) * TIME) * (TIME < 0.08)
    times = rng.uniform(0, 1, rng.integers(1, 3))
    return unit(strikes(times, np.ones(len(times)), beep))
