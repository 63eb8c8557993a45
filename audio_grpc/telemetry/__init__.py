"""Telemetry for operators: one record a call, and the metrics, traces and log lines made of it."""
