"""JobService: texts of any length, spoken in the background and kept across restarts."""

from audio_grpc.services.jobs.runner import JobConfig, JobRunner
from audio_grpc.services.jobs.service import JobServicer

__all__ = ["JobConfig", "JobRunner", "JobServicer"]
