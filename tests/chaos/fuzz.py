"""Calls of every RPC with messages that hypothesis makes, and with bytes that are no messages."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.chaos.tally import Tally
from tests.contract import Rpc
from tests.messages import messages

EXAMPLES_A_ROUND = 25
DEADLINE_SECONDS = 3.0
MOST_MESSAGES = 3
PAUSE_SECONDS = 0.05


@dataclass
class Fuzzer:
    """One hostile caller on its own connection, through Envoy."""

    address: str
    key: str
    rpcs: Sequence[Rpc]
    tally: Tally

    async def run(self, stop: asyncio.Event, number: int) -> None:
        """Calls until ``stop`` is set."""
        dice = random.Random(number)
        while not stop.is_set():
            rpc = dice.choice(self.rpcs)
            await asyncio.to_thread(self._round, rpc, dice.randrange(2**32), stop)

    def _round(self, rpc: Rpc, number: int, stop: asyncio.Event) -> None:
        with grpc.insecure_channel(self.address) as channel:
            method: Any = channel.stream_stream(rpc.path)
            most = MOST_MESSAGES if rpc.takes_many else 1
            whole = st.lists(messages(rpc.request.DESCRIPTOR), min_size=1, max_size=most)
            sent = whole.map(lambda made: [one.SerializeToString() for one in made])
            noise = st.lists(st.binary(max_size=200), max_size=MOST_MESSAGES)

            @seed(number)
            @settings(
                max_examples=EXAMPLES_A_ROUND,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )
            @given(st.one_of(sent, sent, sent, noise))
            def call(requests: list[bytes]) -> None:
                if not stop.is_set():
                    self._call(rpc, method, requests)
                    time.sleep(PAUSE_SECONDS)

            run: Callable[[], None] = call
            run()

    def _call(self, rpc: Rpc, method: Any, requests: list[bytes]) -> None:
        began = time.monotonic()
        metadata = (("authorization", f"Bearer {self.key}"),)
        answers = method(iter(requests), timeout=DEADLINE_SECONDS, metadata=metadata)
        try:
            for _ in answers:
                pass
            code, message = "OK", ""
        except grpc.RpcError:
            code, message = answers.code().name, answers.details() or ""
        if code in ("INTERNAL", "UNKNOWN"):
            message += f" for {[request[:300] for request in requests]}"
        self.tally.answered(f"fuzz {rpc.name}", code, message, began)
