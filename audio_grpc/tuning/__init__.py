"""Measures how a model is best run on this machine, and writes that into the configuration.

``candidates.py`` says what is tried, ``measuring.py`` does the work of one candidate in a process of its own
(``python -m audio_grpc.tuning``), ``process.py`` runs that process, ``verdict.py`` finds the best, and
``file.py`` changes the configuration.
"""
