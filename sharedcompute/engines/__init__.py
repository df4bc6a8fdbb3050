"""Engines run plans. A new engine is one module."""
