"""The worker: runs jobs from the queue, and those of the schedule when they are due."""
