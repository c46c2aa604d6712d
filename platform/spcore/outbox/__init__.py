"""Messages committed together with the change they tell of, and the runner that hands them on."""
