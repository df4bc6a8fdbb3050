"""
Neuroscience: filters, spectra, events
======================================

A recording of 16 channels, as two-byte counts.
"""

import h5py
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage, signal

import sharedcompute as sc

rng = np.random.default_rng(0)
rate, channels = 1000, 16
seconds = np.arange(20 * rate) / rate
noise = rng.normal(0, 20, (len(seconds), channels)) + 200 * np.sin(2 * np.pi * seconds)[:, None]
spikes = rng.random((len(seconds), channels)) < 0.002
recorded = (noise + 40 * np.sin(2 * np.pi * 60 * seconds)[:, None] - 300 * spikes).astype("i2")
with h5py.File("probe.h5", "w") as file:
    file.create_dataset("raw", data=recorded, chunks=(2000, channels), compression="gzip")
ref = recorded.astype("f8")  # in memory, to compare with

# %%
# Common reference
# ----------------
#
# The mean of all channels is taken off each sample in NumPy's words; for the median a function of some samples is enough.

x = sc.open("probe.h5::/raw").astype("f8")
by_mean = x - x.mean(axis=1, keepdims=True)
np.testing.assert_allclose(by_mean, ref - ref.mean(axis=1, keepdims=True), atol=1e-10)


def less_median(samples):
    return samples - np.median(samples, axis=1, keepdims=True)


clean = sc.map(less_median, "probe.h5::/raw", "clean.h5::/x", overwrite=True)
np.testing.assert_array_equal(clean, ref - np.median(ref, axis=1, keepdims=True))

# %%
# Band-pass
# ---------
#
# A stencil gets as many samples before and after as it asks for (``halo``), so that blocks need not pass on any state. A
# filter of finite length has the same output as over the whole recording.

taps = signal.firwin(201, [20, 100], fs=rate, pass_zero=False)


def convolve(samples, out):
    out[:] = signal.oaconvolve(samples, taps[:, None], mode="valid", axes=0)


band_pass = sc.Stencil("band_pass", convolve, halo=100, mode="nearest")
filtered = sc.map(band_pass, "clean.h5::/x", "band.h5::/x", overwrite=True, block_rows=5000)
whole = signal.oaconvolve(clean.compute(), taps[:, None], mode="same", axes=0)
np.testing.assert_allclose(filtered[100:-100], whole[100:-100], rtol=1e-9, atol=1e-9)

# %%
# Rolling standard deviation
# --------------------------
#
# ``uniform`` is a rolling mean; the two of them and the rest are one pass.

mean = sc.ops.uniform(x, size=501, axes=0)
rolling = np.sqrt(sc.ops.uniform(x**2, size=501, axes=0) - mean**2)
square, plain = (ndimage.uniform_filter1d(power, 501, axis=0) for power in (ref**2, ref))
np.testing.assert_allclose(rolling, np.sqrt(square - plain**2), rtol=1e-8)
rolling

# %%
# Spectrogram
# -----------
#
# Pieces of 200 samples become rows, and the discrete Fourier transform of a row is a product with a matrix.

n = 200
window = signal.windows.hann(n, sym=False)
frequency = np.fft.rfftfreq(n, 1 / rate)
waves = np.exp(-2j * np.pi * np.outer(np.arange(n) / rate, frequency)) * window[:, None]
density = np.abs(x[:, 0].reshape(-1, n) @ waves) ** 2 / (rate * (window**2).sum())
density = density.compute()
density[:, 1:-1] *= 2  # negative frequencies
theirs = signal.spectrogram(ref[:, 0], rate, window, noverlap=0, detrend=False)[2]
np.testing.assert_allclose(density.T, theirs, rtol=1e-6, atol=1e-9)

# %%
# Down-sampling
# -------------
#
# The mean of each four samples, of a tenth of the recording at a time: where rows become fewer, what is read is held in
# memory.

pieces = [x[at : at + 2000].reshape(-1, 4, channels).mean(axis=1) for at in range(0, len(x), 2000)]
slower = np.concatenate(sc.compute(*pieces))
np.testing.assert_allclose(slower, ref.reshape(-1, 4, channels).mean(axis=1), rtol=1e-12)

# %%
# Threshold crossings
# -------------------
#
# A sample below the threshold after one that is not: two slices of the same recording, a row apart.

band = sc.open("band.h5::/x")
threshold = -4 * band.std(axis=0)
crossing = (band[1:] < threshold) & (band[:-1] >= threshold)
rates = crossing.sum(axis=0) / seconds[-1]
samples, channel = np.nonzero(crossing.compute())
held = filtered.compute()
limit = -4 * held.std(axis=0)
np.testing.assert_array_equal(
    np.stack([samples, channel], axis=1),
    np.argwhere((held[1:] < limit) & (held[:-1] >= limit)),
)
assert rates.shape == (channels,)

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
axes[0].plot(seconds[:500], held[:500, :3])
axes[0].set(title="band-pass", xlabel="s")
axes[1].pcolormesh(np.arange(len(density)) * n / rate, frequency[:40], np.log10(density.T[:40]))
axes[1].set(title="spectrogram", xlabel="s", ylabel="Hz")
axes[2].plot(samples / rate, channel, "|")
axes[2].set(title="crossings", xlabel="s", ylabel="channel")
