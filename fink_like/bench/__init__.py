"""Speed, measured: fixed work through the jobs; rates and CPU per alert, as tables and JSON.

``stages``: all three jobs, one after the other; ``ingest``: what ingest's time goes into;
``burst``: many alerts at once while ingest runs; ``modules``: what the kit adds to the modules;
``inputs``: what images and own history cost science.
"""
