"""Running models for many callers: threads, turns, admission, loading and unloading."""
