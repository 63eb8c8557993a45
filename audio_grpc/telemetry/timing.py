"""The times of a call's events, as a message."""

import time

from audio_grpc.convert import from_seconds
from audio_grpc.telemetry.call import Call
from audio_grpc.v1.timing_pb2 import Timing


def timing(call: Call) -> Timing:
    """Returns the seconds of each step since the arrival of the request; a call that runs ends now."""
    total = (call.ended or time.perf_counter()) - call.arrived
    queued, first = call.queued_seconds, call.first_result_seconds
    return Timing(
        queued=from_seconds(total if queued is None else queued),
        first_result=None if first is None else from_seconds(first),
        total=from_seconds(total),
    )
