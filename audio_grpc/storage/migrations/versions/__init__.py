"""One file for each revision. What has landed in one is never changed: databases have it already."""
