"""Measurements that anyone can run; each compares two ways in one interleaved run."""
