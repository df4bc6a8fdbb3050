"""
Climate: means, climatologies and trends
========================================

Temperature and wind of three years, a file for each year. Temperature is packed into two bytes, as reanalyses store it.
"""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import sharedcompute as sc

rng = np.random.default_rng(0)
lat, lon = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 10)
packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32767}
years = []
for year in (2001, 2002, 2003):
    time = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="M8[D]").astype("M8[ns]")
    shape = (len(time), len(lat), len(lon))
    season = np.cos(2 * np.pi * (np.arange(len(time)) - 200) / 365)[:, None, None]
    t2m = 288 - 40 * np.sin(np.radians(lat[:, None])) ** 2 + season * lat[:, None] / 6
    fields = {
        "t2m": t2m + rng.normal(size=shape),
        "u10": rng.normal(5, 3, shape).astype("f4"),
        "v10": rng.normal(0, 3, shape).astype("f4"),
    }
    dims = ("time", "lat", "lon")
    made = xr.Dataset(
        {name: (dims, field) for name, field in fields.items()},
        {"time": time, "lat": lat, "lon": lon},
    )
    encoding = {"t2m": packed | {"zlib": True}, "time": {"units": "days since 1900-01-01"}}
    made.to_netcdf(f"era_{year}.nc", engine="h5netcdf", encoding=encoding)
    years.append(xr.load_dataset(f"era_{year}.nc", engine="h5netcdf"))
ref = xr.concat(years, "time")  # in memory, to compare with

# %%
# The files are one array along time. Nothing is read yet.

t = sc.open("era_*.nc::/t2m", decode_cf=True)
t

# %%
# Mean, anomaly, standard score
# -----------------------------
#
# ``compute`` takes several results, which share one reading of the files.

mean, spread = sc.compute(t.mean(axis=0), t.std(axis=0))
np.testing.assert_allclose(mean, ref.t2m.mean("time"), rtol=1e-6)
np.testing.assert_allclose(spread, ref.t2m.std("time"), rtol=1e-4)

# %%
# ``store`` writes to a file, piece by piece. The mean and the deviation make a first pass, the scores a second one.

scores = (t - t.mean(axis=0)) / t.std(axis=0)
print(scores.plan())
stored = sc.store(
    {"scores.h5::/anomaly": t - t.mean(axis=0), "scores.h5::/score": scores},
    filter="gzip:1",
    overwrite=True,
)
np.testing.assert_allclose(
    stored["scores.h5::/score"], (ref.t2m - mean) / spread, rtol=1e-4, atol=1e-4
)

# %%
# Weighted by area, along one axis, in larger cells
# -------------------------------------------------

area = np.broadcast_to(np.cos(np.radians(lat))[:, None], t.shape[1:])
world = np.average(t, axis=(1, 2), weights=area)
zonal = t.mean(axis=-1)
coarse = t.reshape(-1, 9, 2, 18, 2).mean(axis=(2, 4))
world, zonal, coarse = sc.compute(world, zonal, coarse)

weighted = ref.t2m.weighted(np.cos(np.radians(ref.lat)))
np.testing.assert_allclose(world, weighted.mean(("lat", "lon")), rtol=1e-6)
np.testing.assert_allclose(zonal, ref.t2m.mean("lon"), rtol=1e-6)
np.testing.assert_allclose(coarse, ref.t2m.coarsen(lat=2, lon=2).mean(), rtol=1e-6)

# %%
# Two variables
# -------------

u, v = sc.open("era_*.nc::/u10"), sc.open("era_*.nc::/v10")
speed = np.sqrt(u**2 + v**2)
np.testing.assert_array_equal(speed, np.sqrt(ref.u10**2 + ref.v10**2))
strongest = speed.max(axis=0).compute()
speed

# %%
# A month, a region
# -----------------
#
# Coordinates pick as they do in xarray; only the chunks in that window are read and decoded.

march = t.sel(time="2002-03", lat=slice(30, 60))
picked = ref.t2m.sel(time="2002-03", lat=slice(30, 60))
np.testing.assert_allclose(march.mean(axis=0), picked.mean("time"), rtol=1e-6)

# %%
# The same window in an address serves the command line as well:
#
# .. code-block:: console
#
#    $ sharedcompute reduce mean "era_2002.nc::/t2m[time=2002-03, lat=30:60]" march.h5 --decode-cf

# %%
# Monthly climatology and anomalies
# ---------------------------------
#
# Each month is a mean over the rows where it is that month; all twelve come from one pass.

days = sc.open("era_*.nc::/time").compute()
month = (np.datetime64("1900-01-01") + days).astype("M8[M]").astype(int) % 12
is_month = [sc.lazy(month == m)[:, None, None] for m in range(12)]
climatology = [t.mean(axis=0, where=mask) for mask in is_month]
monthly = np.stack(sc.compute(*climatology))
np.testing.assert_allclose(monthly, ref.t2m.groupby("time.month").mean(), rtol=1e-6)

# %%
# ``numpy.select`` puts the mean of its month at each row, and the anomalies are what is left: two passes, whatever the
# number of years.

anomaly = t - np.select(is_month, climatology)
anomaly.store("anomaly.h5::/t2m", overwrite=True)
by_month = ref.t2m.groupby("time.month")
np.testing.assert_allclose(
    sc.open("anomaly.h5::/t2m"), by_month - by_month.mean(), rtol=1e-4, atol=1e-3
)

# %%
# Median and quantiles over time
# ------------------------------
#
# They need all values of a cell at once, so that a band of latitudes is read at a time.

bands = [t[:, at : at + 3] for at in range(0, len(lat), 3)]
quantiles = np.concatenate([np.quantile(band, [0.1, 0.5, 0.9], axis=0) for band in bands], axis=1)
np.testing.assert_allclose(quantiles, ref.t2m.quantile([0.1, 0.5, 0.9], "time"), rtol=1e-6)

# %%
# Trend of each cell
# ------------------
#
# The slope of the least-squares line is a mean of products.

decades = days / 3652.5
centred = (decades - decades.mean())[:, None, None]
trend = (t * centred).mean(axis=0) / (centred**2).mean()
fit = np.polyfit(decades, ref.t2m.values.reshape(len(days), -1), 1)
np.testing.assert_allclose(trend, fit[0].reshape(trend.shape), rtol=1e-3, atol=1e-3)

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 5.5), layout="constrained")
axes[0, 0].plot(world - 273.15)
axes[0, 0].set(title="weighted by area", ylabel="°C", xlabel="day")
shown = [("July", monthly[6]), ("strongest wind", strongest), ("trend in 10 years", trend)]
for ax, (title, field) in zip(axes.flat[1:], shown, strict=True):
    figure.colorbar(ax.pcolormesh(lon, lat, field), ax=ax)
    ax.set(title=title)
