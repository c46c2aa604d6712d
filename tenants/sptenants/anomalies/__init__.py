"""The work list: everything where money and intent differ and a person should look."""
