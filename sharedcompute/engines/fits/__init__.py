"""Running fits: rounds over rows, sweeps over grids."""
