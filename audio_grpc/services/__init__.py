"""One servicer per service of ``protos/``, each a thin translation to the runtime."""
