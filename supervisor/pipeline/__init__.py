"""The pipeline: what moves sessions. One runner for each queue, and one committer that sends all their outcomes."""
