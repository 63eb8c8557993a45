"""A stand-in for the gateway in tests of Envoy: it answers with the request that reached it."""
