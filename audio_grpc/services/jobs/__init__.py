"""JobService: texts of any length, spoken in the background and kept across restarts."""

from audio_grpc.services.jobs.runner import JobRules, JobRunner
from audio_grpc.services.jobs.service import Jobs

__all__ = ["JobRules", "JobRunner", "Jobs"]
