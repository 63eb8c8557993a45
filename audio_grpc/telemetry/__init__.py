"""What operators see of the server: one record a call, and the metrics and log lines made of it."""
