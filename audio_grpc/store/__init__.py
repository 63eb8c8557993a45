"""Keeping what outlives the server: rows in a database, and sound beside it."""

from audio_grpc.store.activities import ActivityBoard, Board
from audio_grpc.store.admission import JobBounds
from audio_grpc.store.blobs import SAMPLE_BYTES, Blobs, open_blobs
from audio_grpc.store.database import Database
from audio_grpc.store.jobs import JobStorage, JobStore, NewJob
from audio_grpc.store.leases import Leases, Piece, Sound
from audio_grpc.store.pages import PAGE_BYTES, Page, Position
from audio_grpc.store.past_requests import PastRequest, PastRequests, Selection, new_id

__all__ = [
    "PAGE_BYTES",
    "SAMPLE_BYTES",
    "ActivityBoard",
    "Blobs",
    "Board",
    "Database",
    "JobBounds",
    "JobStorage",
    "JobStore",
    "Leases",
    "NewJob",
    "Page",
    "PastRequest",
    "PastRequests",
    "Piece",
    "Position",
    "Selection",
    "Sound",
    "new_id",
    "open_blobs",
]
