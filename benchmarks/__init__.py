"""What the service costs beside the bare models, measured in one run: ``make bench``."""
