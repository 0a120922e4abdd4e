"""Drift: damage done behind Suimon's back is found by kind and number, and mended without paying twice."""
