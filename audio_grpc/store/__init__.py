"""Keeping what outlives the server: rows in a database, and the sound of jobs beside it."""

from audio_grpc.store.blobs import Blobs, open_blobs
from audio_grpc.store.database import Database
from audio_grpc.store.jobs import JobStorage, JobStore, NewJob, Position
from audio_grpc.store.leases import Leases, Piece, Sound

__all__ = [
    "Blobs",
    "Database",
    "JobStorage",
    "JobStore",
    "Leases",
    "NewJob",
    "Piece",
    "Position",
    "Sound",
    "open_blobs",
]
