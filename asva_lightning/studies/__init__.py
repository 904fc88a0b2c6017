"""Many runs that are looked at together: a sweep is a short list of differences, run row by row, and a table."""
