"""The part of scikit-learn that the package uses: it publishes no types."""
