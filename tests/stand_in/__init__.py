"""What stands in for the gateway in tests of Envoy: it tells what has reached it."""
