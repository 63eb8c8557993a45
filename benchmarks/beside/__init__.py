"""Other speech servers, in environments of their own: what `benchmarks/peers.py` is made of."""
