"""Annotation formats and the conversion between them, on the standard library alone."""
