"""Other people's HTTP dialects, spoken by calling the gRPC service with its own client."""
