"""Adapters: one small module per model, and the two protocols that they implement."""
