"""The same program as `wxsp`, for child processes of the demo: `python -m spapp.cli`."""

from spapp.cli import main

main()
