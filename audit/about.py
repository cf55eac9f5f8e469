"""What Assay calls itself. Read by the build too, so nothing is imported here."""

VERSION = "0.8.0"
