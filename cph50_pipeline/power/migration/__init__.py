"""What power monitors before this one wrote: their files as rows, each judged, and which of them can be readings."""
