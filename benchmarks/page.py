"""The words around the figures."""

HEAD = """\
# Benchmarks

Written by `make bench`; the figures are in `results.json` too. Everything is measured beside its yardstick in
the same run, in turns, {cores} cores of {cpu}, {memory_gigabytes} GB, Python {python}
({packages}).
Settings are the defaults, and each figure is the median of three rounds, if nothing else is said. Client and
server are processes of their own, and share the machine.
`python -m benchmarks SECTION` measures one section; these were: {measured}.
"""

# Each is left out as long as its figures are missing.
PARTS = {
    "synthesis": """
## Synthesize beside hibari's own generator

The same text of four sentences in the same pieces. *Bare* is the generator in as many threads as there are
streams, with no server; *served* is an asyncio client of the server, PCM. Streams take turns in the server
where bare threads compete, so with many streams the first audio of the served ones comes earlier.

| streams | first audio, bare | served | added | real-time factor, bare | served | ratio |
|--:|--:|--:|--:|--:|--:|--:|
{rows}
""",
    "live_speech": """
## Text that is still being written beside the same text given whole

hibari speaks the same four sentences, sent in tokens of four characters: from the character that makes the
first sentence certain to its first sound, beside the first sound of the text given whole. Then the rest is
sent, and cancelled at once: how long it takes until the answer says that the model has stopped.

| first audio, whole | live | added | cancelled after |
|--:|--:|--:|--:|
{rows}
""",
    "transcription": """
## Transcribe beside faster-whisper

Five recordings of 3 to 7 seconds of human speech, one after the other, beam size 5.

| first segment, bare | served | real-time factor, bare | served | ratio |
|--:|--:|--:|--:|--:|
{rows}
""",
    "live_hearing": """
## Speech that is written down while it is spoken

Five sentences of human speech with a second of silence after each, sent in real time in pieces of 100 ms,
by 1, 4 and 8 callers at once, each beginning 1.3 s after the one before and with another sentence; one round.
Delays (median and 95 %) are from the end of a word in the sound: until it is first *shown* where it stands in
the transcript, until it is *stable*, and until the *transcript* has it, which comes when the utterance is
over. *After* is from the end of an utterance's last word to its transcript, with the half second of silence
that ends it. *Changed* are stable words that did not stay. Errors are of words, *live* and when the same
sound is sent as a *recording*. *CPU* is the server's, for a second of sound. The busier the model, the fewer
hypotheses.

| callers | shown | stable | transcript | after | changed | errors: live | recording | hypotheses/s | CPU |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}
""",
    "pipeline": """
## A spoken question, answered in speech

hibari asks for the capital of France, in real time; Whisper base hears it, SmolLM2-135M (`audio-grpc llm`)
thinks, hibari answers. From the end of the question in the sound to the transcript, to the first token of the
reply, to its first sound, and to the end of the turn, once where the caller says that the question is over,
once where half a second of silence does; the median of ten turns. *Aim* is what GateFlow states for its
service. All of it shares the machine.

| the question ends by | transcript | + first token | + first audio | first audio in all | turn |
|---|--:|--:|--:|--:|--:|
{rows}
| *aim* | 200-500 ms | 100-300 ms | 100-200 ms | 400-1000 ms | |
""",
    "clips": """
## Short clips

Recordings of 3 to 7 seconds from 1, 4, 8 and 32 callers at once, language given; whoever has an answer sends
the next; two rounds. *Bare* is faster-whisper on all cores, with its callers in a pool of threads. *CPU* is
for a second of sound, *errors* are of words; *equal* counts the transcripts that are, to the letter, those of
the bare library.

| | callers | audio seconds a second | CPU | seconds a call, median | worst | errors | equal | refused |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}
""",
    "long": """
## Long recordings

The same clips in random order with pauses of 0.3 to 2 seconds, as Opus; once. *Bare* is faster-whisper on
all cores, *sequential* as its WhisperModel does it, *batched* as its BatchedInferencePipeline. *CPU* is for
an hour of sound. *Memory* is the most beyond what the process had with the model loaded and one clip
transcribed.

| minutes | | times real time | CPU | first segment | segments | errors | memory |
|--:|---|--:|--:|--:|--:|--:|--:|
{rows}
""",
    "streams": """
## Many listeners

hibari speaks four sentences to 1, 32 and 100 listeners who call at the same moment, and play in real time
from the first sound on. *Plain* is `plain.py`, some thirty lines of grpc.aio with the same model in a pool of
threads, given the same pieces of text. *Dry* is the share of the listeners' time, from their first sound to
their last, in which they lack sound; *most* is the seconds of one of them; *ran dry* are those who lacked it
for more than 20 ms in all. *Worst* and *most* are of all rounds.

| | listeners | first audio | worst | dry | most | ran dry | refused | audio seconds a second |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}
""",
    "kokoro": """
## Kokoro

The same four sentences, one call at a time. The *bare graph* is onnxruntime with all cores and its own
defaults, given the phonemes of one sentence after the other.

| | first audio | real-time factor | peak memory |
|---|--:|--:|--:|
{rows}
""",
    "throughput": """
## Throughput of the tone speaker beside a bare grpc.aio server

One stream of 4800-byte chunks (100 ms of sound), the same Python client. The bare server sends one constant,
a chunk a message; the tone speaker goes through splitting, generator, threads and 16-bit conversion, and
lets chunks that wait for the reader together travel in one message. *First message* is what a call costs
before anything is computed; it is a part of the first audio of the served streams above.

| | chunks a second | chunks a message | server's CPU a chunk | first message |
|---|--:|--:|--:|--:|
{rows}
""",
    "doors": """
## The doors beside each other

hibari speaks the same text through each door, one call at a time, the doors in turns: first sound, and the
CPU seconds that an hour of sound costs each process. Then 100 calls that begin within a second, each with a
chunk of 100 ms every 50 ms: the time between two arrivals at the client. The HTTP client reads sockets by
hand; all of it shares the machine.

| door | first audio | added | server's CPU | gateway's | Envoy's | gaps: median | 99 % | worst |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}
""",
    "elsewhere": """
## Models that are elsewhere

A provider of OpenAI's API on this machine, in the benchmark's own process, sends a first piece, waits 30 ms,
and sends the rest; 100 calls, one after the other. *Late* is from its sending to the caller's having it.
*Before the rest* is how much sooner the caller had the first piece than the end (median): it would be nothing
if anybody collected.

| | late, median | worst | before the rest |
|---|--:|--:|--:|
{rows}
""",
    "memory": """
## Memory

Peak resident memory of the server after speech and transcripts, beside one process that loaded
both models and used them once.

| bare | served | beyond the models |
|--:|--:|--:|
{rows}
""",
    "peers": """
## Beside other servers

`python -m benchmarks.peers` installs them, and makes the same calls to each with the same weights: Whisper
base and Kokoro-82M, both as int8. One server is up at a time, and is measured once. *CPU* is for a second of
sound, *errors* are of words.

{rows}
""",
}

TAIL = """
## On a GPU

CosyVoice and Whisper large-v3-turbo on a CUDA GPU have a script of their own, `python -m benchmarks.gpu`. It
takes 8 minutes, prints a table as it goes, and writes `gpu-results.json` beside this file, with the name of
the GPU. Where the weights are not at hand it measures random ones of their full size, which cost the same for
each token. `python -m benchmarks.gpu_pack gpu.tar.xz` packs all that it needs beside PyTorch (44 MiB), for a
machine without a network. So far it has run on a CPU only, with miniatures: nothing is known of its figures
on a GPU, nor whether CTranslate2 works with the cuBLAS of CUDA 13 that it is lent there.

## Aims

| aim | measured | |
|---|--:|---|
{aims}
"""
