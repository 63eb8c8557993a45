"""Interceptors around every call."""
