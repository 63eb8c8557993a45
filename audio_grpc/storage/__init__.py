"""Keeps what outlives the server: rows in a database, sound beside it, and custom voices."""

from audio_grpc.storage.activities import ActivityStore, KeyActivities
from audio_grpc.storage.admission import JobBounds
from audio_grpc.storage.blobs import SAMPLE_BYTES, Blobs, open_blobs
from audio_grpc.storage.database import Database
from audio_grpc.storage.jobs import JobStorage, JobStore, NewJob
from audio_grpc.storage.leases import JobAudio, JobPiece, Leases
from audio_grpc.storage.pages import PAGE_BYTES, Page, Position
from audio_grpc.storage.past_requests import PastRequests, Selection, new_id

__all__ = [
    "PAGE_BYTES",
    "SAMPLE_BYTES",
    "ActivityStore",
    "Blobs",
    "Database",
    "JobAudio",
    "JobBounds",
    "JobPiece",
    "JobStorage",
    "JobStore",
    "KeyActivities",
    "Leases",
    "NewJob",
    "Page",
    "PastRequests",
    "Position",
    "Selection",
    "new_id",
    "open_blobs",
]
