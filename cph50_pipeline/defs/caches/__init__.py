"""What is built from what is stored, as a person manages it: is it valid, what made it, make it again.

Nothing here is remembered: what is said of an entry is read from Dagster's records and from the files.
"""
