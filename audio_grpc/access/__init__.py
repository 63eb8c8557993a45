"""API keys, the limits of each key, and the rules for listening without keys."""
