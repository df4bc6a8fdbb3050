"""Datasets found, checked and described; joined files and virtual datasets."""
