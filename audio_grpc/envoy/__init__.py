"""The sidecar: its binary, its configuration, and its admin port."""

from audio_grpc.envoy.admin import EnvoyAdmin
from audio_grpc.envoy.files import binary
from audio_grpc.envoy.render import render
from audio_grpc.envoy.run import command, scratch, written

__all__ = ["EnvoyAdmin", "binary", "command", "render", "scratch", "written"]
