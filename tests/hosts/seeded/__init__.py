"""A host with twelve planted vulnerabilities, and its twin without: what the isolation prover is judged by."""
