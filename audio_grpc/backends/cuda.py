"""Parts that all adapters of models on NVIDIA GPUs share."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from audio_grpc.backends.base import ModelBroken

CUDA_ERROR = re.compile(r"\bCUDA\b|cuBLAS|cuDNN|out of memory", re.IGNORECASE)


@contextmanager
def cuda_errors_break() -> Iterator[None]:
    """Raises ModelBroken instead of a RuntimeError of CUDA's.

    Most of its errors stay: later calls fail as well, until what they were made with has been given back
    (https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html). Where that is the whole
    process, loading the model again fails too, and names the cause.
    """
    try:
        yield
    except RuntimeError as error:
        if CUDA_ERROR.search(str(error)):
            raise ModelBroken(str(error)) from error
        raise
