"""A strict WeChat Pay gateway on this machine: API v2 and v3 of the partner mode, mini-program login.

It speaks the paths of the real gateway under their real names, checks what the real one is known to check,
and keeps its own ledger. It shares no code with the platform it is used to test, so the two cannot be wrong
in the same way.

* :func:`spsim.app.create_app` - the ASGI application, for embedding.
* :func:`spsim.serve.run` - the program: a plain and a TLS port in the foreground.
* :func:`spsim.serve.running` - the same in a background thread, for tests.
* :mod:`spsim.controls` - everything under ``/_sim/``, documented there and by ``GET /_sim/``.
"""
