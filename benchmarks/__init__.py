"""Measures the cost of the service beside the bare models, in one run: ``make bench``."""
