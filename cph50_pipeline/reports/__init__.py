"""Reports: what is stored, summed and put into words for people. Values in, documents and text out."""
