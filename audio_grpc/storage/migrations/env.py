"""Runs migrations on the connection that is handed over; Alembic executes this file."""

from alembic import context

from audio_grpc.storage.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
