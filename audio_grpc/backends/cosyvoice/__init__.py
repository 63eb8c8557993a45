"""CosyVoice 1, 2 and 3: voices cloned from seconds of speech, in many languages; streams.

https://github.com/FunAudioLLM/CosyVoice (Apache-2.0). docs/guides/cosyvoice.md says how to set it up.
"""

from audio_grpc.backends.cosyvoice.adapter import CosyVoice

__all__ = ["CosyVoice"]
