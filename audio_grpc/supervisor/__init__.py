"""Runs servers, gateway and Envoy as one: starts them, keeps them up, renews them and ends them in order."""

from audio_grpc.supervisor.log import Log
from audio_grpc.supervisor.managed_process import ServiceEnded
from audio_grpc.supervisor.processes import prepare_processes
from audio_grpc.supervisor.run import run
from audio_grpc.supervisor.stack import Stack

__all__ = ["Log", "ServiceEnded", "Stack", "prepare_processes", "run"]
