"""Draw what the demo made: the mean warming over time, and where it is strongest."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr


def main(source: Path, target: Path) -> None:
    with xr.open_dataset(source, engine="h5netcdf") as data:
        anomaly, smoothed = data["anomaly"].load(), data["smoothed"].load()
    years = np.array([when.year for when in anomaly["time"].values])
    # A cell's area shrinks with the cosine of its latitude.
    weights = np.cos(np.deg2rad(anomaly["latitude"]))
    space = ("latitude", "longitude")
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=(3, 4)
    )
    left.plot(years, anomaly.weighted(weights).mean(space), color="0.75", lw=0.8, label="anomaly")
    left.plot(
        years, smoothed.weighted(weights).mean(space), color="tab:red", lw=2, label="smoothed"
    )
    left.set(xlabel="year", ylabel="K against the mean of all years", title="Mean over the region")
    left.legend(frameon=False)
    change = (smoothed[-1] - smoothed[0]).values
    longitude = anomaly["longitude"].values - 360
    drawn = right.pcolormesh(longitude, anomaly["latitude"].values, change, cmap="YlOrRd")
    title = f"Smoothed change, {years[0]} to {years[-1]}"
    right.set(xlabel="longitude", ylabel="latitude", title=title)
    figure.colorbar(drawn, ax=right, label="K")
    figure.suptitle("Surface air temperature over North America, scenario A1B")
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
