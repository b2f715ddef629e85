"""The evaluation page of a detector: tables, precision-recall curves, hits, misses, false alarms."""
