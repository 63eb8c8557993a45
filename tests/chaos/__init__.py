"""Ordinary callers beside hostile ones, impatient ones, and processes that are killed: ``make chaos``."""
