"""The programs: web, worker, command line, console."""
