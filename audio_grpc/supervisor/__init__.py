"""Runs servers, gateway and Envoy as one: starts them, keeps them up, renews them and ends them in order."""

from audio_grpc.supervisor.house import House
from audio_grpc.supervisor.log import Log
from audio_grpc.supervisor.plan import plan
from audio_grpc.supervisor.run import run
from audio_grpc.supervisor.service import ServiceEnded

__all__ = ["House", "Log", "ServiceEnded", "plan", "run"]
