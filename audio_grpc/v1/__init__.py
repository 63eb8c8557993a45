"""Generated from protos/audio_grpc/v1 by `make protos`; never edited."""
