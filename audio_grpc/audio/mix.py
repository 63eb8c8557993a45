"""Several channels into one: their mean, unless they cancel each other out."""

import numpy as np
import numpy.typing as npt

from audio_grpc.samples import Samples

_WINDOW_SECONDS = 0.05
_FADE_SECONDS = 0.01

# The power of the sum of all channels over the sum of their powers: 1 for channels that have nothing in
# common, and for a single one that sounds; 2 for a pair that is the same; 0 for a pair that is opposite.
_CANCELS_BELOW = 0.1
_ADDS_UP_ABOVE = 0.2
_LOUDER = 4.0
"""The factor by which another channel must have more power to be taken instead."""


class Mixer:
    """Makes one channel of several: their mean, or while that would cancel, the loudest of them.

    A pair of which one is the negative of the other (a balanced line taken for stereo, a plug that is wired
    wrongly) has a mean of nothing. Each 50 ms are judged by themselves: if less than a tenth of the power is
    left in the sum of the channels, the loudest is taken, and kept until the channels add up again or another
    is twice as loud. A change fades over 10 ms, so that it does not click.
    """

    def __init__(self, rate_hertz: int) -> None:
        self._window = max(1, round(_WINDOW_SECONDS * rate_hertz))
        self._fade = max(1, round(_FADE_SECONDS * rate_hertz))
        self._weights: Samples | None = None
        self._chosen: int | None = None
        self._forget()

    def mix(self, channels: npt.NDArray[np.float32]) -> Samples:
        """The sound goes on with these samples of shape [channels, frames]; as many frames of it in mono."""
        count, length = channels.shape
        mixed: Samples = channels[0]
        if count == 1:
            return mixed
        mixed = np.ascontiguousarray(channels).mean(axis=0, dtype=np.float32)
        if not length or not self._may_cancel(channels, mixed):
            return mixed
        start = 0
        while start < length:
            stop = min(length, start + self._window - self._heard)
            mixed[start:stop] = self._mixed(channels[:, start:stop], mixed[start:stop])
            start = stop
        return mixed

    def _forget(self) -> None:
        self._heard = 0
        self._power: npt.NDArray[np.float64] | float = 0.0
        self._sum_power = 0.0

    def _may_cancel(self, channels: Samples, mean: Samples) -> bool:
        """False for most sound, at the price of one look at all of its windows."""
        mean_weights = np.full(len(channels), 1 / len(channels), np.float32)
        if self._weights is not None and (self._weights != mean_weights).any():
            return True
        starts = np.arange(0, len(mean), max(1, min(self._window, len(mean)) // 2))
        count = len(channels)
        power = sum(np.add.reduceat(np.square(channel, dtype=np.float64), starts) for channel in channels)
        left = np.add.reduceat(np.square(mean, dtype=np.float64), starts) * count**2
        cancels = bool((left < _ADDS_UP_ABOVE * power).any())
        if not cancels:
            self._weights = mean_weights
            self._forget()
        return cancels

    def _mixed(self, channels: Samples, mean: Samples) -> Samples:
        """Mixes one window, whose sums it keeps."""
        count = len(channels)
        self._power = self._power + np.square(channels, dtype=np.float64).sum(axis=1)
        self._sum_power += float(np.square(mean, dtype=np.float64).sum()) * count**2
        self._heard += len(mean)
        self._choose(np.asarray(self._power), self._sum_power)
        if self._heard >= self._window:
            self._forget()
        wanted = np.full(count, 1 / count, np.float32)
        if self._chosen is not None:
            wanted = np.eye(count, dtype=np.float32)[self._chosen]
        before = wanted if self._weights is None else self._weights
        self._weights = wanted
        if (before == wanted).all():
            return mean if self._chosen is None else channels[self._chosen]
        share = np.minimum(np.arange(1, len(mean) + 1, dtype=np.float32) / self._fade, 1.0)
        if len(mean) < self._fade:  # the rest of the fade comes with the next samples
            self._weights = before + (wanted - before) * share[-1]
        faded: Samples = (before @ channels) * (1 - share) + (wanted @ channels) * share
        return faded

    def _choose(self, power: npt.NDArray[np.float64], sum_power: float) -> None:
        total = float(power.sum())
        if not total > 0:  # silence changes nothing, and what is no number is refused elsewhere
            return
        loudest = int(power.argmax())
        if self._chosen is None:
            if sum_power < _CANCELS_BELOW * total:
                self._chosen = loudest
        elif sum_power > _ADDS_UP_ABOVE * total:
            self._chosen = None
        elif power[loudest] > _LOUDER * power[self._chosen]:
            self._chosen = loudest
