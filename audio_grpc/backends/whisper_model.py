"""faster-whisper's model with what we change of it. Imported by the adapter, once it loads."""

from typing import Any

from faster_whisper import WhisperModel


class Whisper(WhisperModel):  # type: ignore[misc]
    """The library's model; its loop over the windows of a recording is left as it is."""

    def get_prompt(
        self,
        tokenizer: Any,
        previous_tokens: list[int],
        without_timestamps: bool = False,
        prefix: str | None = None,
        hotwords: str | None = None,
    ) -> list[int]:
        """The same, with hotwords and previous text sharing half of the model's context.

        The library gives each of them half, and then there is no place left to write anything.
        """
        if hotwords and not prefix:
            room = self.max_length // 2 - 1 - len(tokenizer.encode(" " + hotwords.strip()))
            previous_tokens = previous_tokens[-room:] if room > 0 else []
        prompt: list[int] = super().get_prompt(
            tokenizer, previous_tokens, without_timestamps, prefix, hotwords
        )
        return prompt
