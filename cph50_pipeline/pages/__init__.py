"""What people open in a browser: what each page shows (values in, views out) and how it looks.

The same views and templates make the pages that are served and those of the static site. No files of the household, no
network, no clock, no Dagster and no web framework here.
"""
