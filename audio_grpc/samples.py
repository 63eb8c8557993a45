"""Samples of sound, apart from the other types because a client goes without NumPy."""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
