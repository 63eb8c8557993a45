"""The process that measures one candidate: a task on standard input, lines of JSON on standard output."""

from audio_grpc.tuning.measuring import main

main()
