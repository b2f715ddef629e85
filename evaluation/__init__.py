"""Measures that detection and classification share, and the report that shows them."""
