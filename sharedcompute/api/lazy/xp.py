"""The Array API."""

VERSIONS = ("2024.12",)
